# Tables, figures, files for other programs, the report page, and verdicts on policies.


rule tabulate:
    message:
        "Writing the tables and the sources of their cells."
    input:
        attacks=of_all_models("reports/{dataset}/{model}/attack.json"),
        ranks=of_all_models("reports/{dataset}/{model}/rank.json"),
        rows=of_all_models("reports/{dataset}/{model}/{file}", file=TABULATED),
        sensitivity=expand("reports/{dataset}/clean/sensitivity.csv", dataset=DATASETS),
        summaries=expand("data/processed/{dataset}/summary.json", dataset=DATASETS),
        certificates=of_certified_models("certificates.csv", "certify.json"),
        repeated=REPEATED,
    output:
        [shown(f"reports/tables/{table}.csv", "Tables") for table in TABLES],
        expand("reports/tables/{table}.md", table=TABLES),
        cells="reports/tables/cells.json",
        metrics="reports/metrics.json",
        gates="reports/tables/validity.json",
    params:
        **tracked("seed", "run", "report", "attacks.table_epsilons", "attacks.protocols", "attacks.strict.threats"),
        code=code("tabulate"),
    log:
        "logs/tabulate.log",
    benchmark:
        "logs/benchmarks/tabulate.tsv"
    conda:
        ENVIRONMENT
    resources:
        **asked("tabulate"),
    shell:
        "python workflow/scripts/tabulate.py"


rule plot:
    message:
        "Drawing Figures 1 to 6."
    input:
        attacks=of_all_models("reports/{dataset}/{model}/attack.json"),
        rows=of_all_models("reports/{dataset}/{model}/{file}", file=["predictions.csv", "intervals.csv"]),
        examples=expand("reports/{dataset}/clean/examples.npz", dataset=DATASETS),
        scores=expand("reports/{dataset}/clean/scores.csv", dataset=DATASETS),
        certificates=of_certified_models("certificates.csv", "certify.json"),
        summaries=expand("data/processed/{dataset}/summary.json", dataset=DATASETS),
        gates="reports/tables/validity.json",
    output:
        [shown(f"reports/figures/{figure}.png", "Figures") for figure in FIGURES],
        expand("reports/figures/{figure}.svg", figure=FIGURES),
    params:
        **tracked("seed", "run.datasets", "report"),
        code=code("plot"),
    log:
        "logs/plot.log",
    benchmark:
        "logs/benchmarks/plot.tsv"
    conda:
        ENVIRONMENT
    resources:
        **asked("plot"),
    shell:
        "python workflow/scripts/plot.py"


rule exchange:
    message:
        "Writing the results for other programs: JSON, LaTeX, XLSX, model cards and BibTeX."
    input:
        cells="reports/tables/cells.json",
        gates="reports/tables/validity.json",
        summaries=expand("data/processed/{dataset}/summary.json", dataset=DATASETS),
        models=of_all_models("models/{dataset}/{model}.keras"),
        described=of_all_models(
            "reports/{dataset}/{model}/{file}", file=["attack.json", "training.json", "history.csv"]
        ),
    output:
        EXCHANGED,
    params:
        **tracked("run.datasets"),
        code=code("exchange"),
    log:
        "logs/exchange.log",
    benchmark:
        "logs/benchmarks/exchange.tsv"
    conda:
        ENVIRONMENT
    resources:
        **asked("exchange"),
    shell:
        "python workflow/scripts/exchange.py"


rule report:
    message:
        "Writing the report page, reports/index.html."
    input:
        "reports/tables/cells.json",
        "reports/tables/validity.json",
        expand("reports/figures/{figure}.png", figure=FIGURES),
        expand(
            "data/processed/{dataset}/{file}",
            dataset=DATASETS,
            file=["summary.json", "contact_sheet.png", "images.npy", "index.csv", "raw_tree.csv"],
        ),
        of_all_models("reports/{dataset}/{model}/{file}", runs=TRAINED, file=["training.json", "curves.png"]),
        of_all_models(
            "reports/{dataset}/{model}/{file}",
            file=["attack.json", "predictions.csv", "intervals.csv", "sensitivity.csv"],
        ),
        of_certified_models("certify.json"),
        expand("reports/acceptance/{policy}.json", policy=POLICIES),
    output:
        "reports/index.html",
    params:
        **tracked("seed", "run", "attacks", "datasets", "acceptance", "report", "validity"),
        code=code("report"),
    log:
        "logs/report.log",
    benchmark:
        "logs/benchmarks/report.tsv"
    conda:
        ENVIRONMENT
    resources:
        **asked("report"),
    shell:
        "python workflow/scripts/report.py"


rule accept:
    message:
        "Judging the results by the policy {wildcards.policy}."
    input:
        lambda wildcards: POLICIES[wildcards.policy],
        POLICY_READS,
    output:
        "reports/acceptance/{policy}.json",
    params:
        **tracked("seed", "report"),
        code=code("accept"),
    log:
        "logs/accept/{policy}.log",
    benchmark:
        "logs/benchmarks/accept/{policy}.tsv"
    conda:
        ENVIRONMENT
    resources:
        **asked("accept"),
    shell:
        "python workflow/scripts/accept.py --policy {wildcards.policy}"
