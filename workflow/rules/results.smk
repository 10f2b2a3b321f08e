# Tables, figures, files for other programs, the report page, and verdicts on policies.


rule tabulate:
    message:
        "Writing the tables and the sources of their cells."
    input:
        attacks=of_all_models("reports/{dataset}/{model}/attack.json"),
        ranks=of_all_models("reports/{dataset}/{model}/rank.json"),
        rows=of_all_models("reports/{dataset}/{model}/{file}", file=TABULATED),
        sensitivity=expand("reports/{dataset}/clean/sensitivity.csv", dataset=DATASETS),
        images=expand("data/processed/{dataset}/{file}", dataset=DATASETS, file=["summary.json", "index.csv"]),
        certificates=of_certified_models("certificates.csv", "certify.json"),
        acquisition=of_rescanned_models("acquisition.csv", "acquisition.json"),
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
        command("tabulate")


rule plot:
    message:
        "Drawing the figures."
    input:
        attacks=of_all_models("reports/{dataset}/{model}/attack.json"),
        rows=of_all_models(
            "reports/{dataset}/{model}/{file}", file=["predictions.csv", "intervals.csv", "validity.json"]
        ),
        examples=expand("reports/{dataset}/clean/examples.npz", dataset=DATASETS),
        scores=expand("reports/{dataset}/clean/scores.csv", dataset=DATASETS),
        certificates=of_certified_models("certificates.csv", "certify.json"),
        acquisition=of_rescanned_models("acquisition.csv", "acquisition.json"),
        images=expand("data/processed/{dataset}/{file}", dataset=DATASETS, file=["summary.json", "index.csv"]),
    output:
        [shown(f"reports/figures/{figure}.png", "Figures") for figure in FIGURES],
        expand("reports/figures/{figure}.{form}", figure=FIGURES, form=["svg", "pdf"]),
        *["reports/figures/curves.json", "reports/figures/points.json"],
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
        command("plot")


rule exchange:
    message:
        "Writing the results for other programs: JSON, LaTeX, XLSX, model cards and BibTeX."
    input:
        cells="reports/tables/cells.json",
        gates="reports/tables/validity.json",
        summaries=expand("data/processed/{dataset}/summary.json", dataset=DATASETS),
        trainings=of_all_models("reports/{dataset}/{model}/{file}", runs=TRAINED, file=["training.json", "history.csv"]),
        attacks=of_all_models("reports/{dataset}/{model}/attack.json"),
    output:
        EXCHANGED,
    params:
        **tracked("run.datasets", "report"),
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
        command("exchange")


rule report:
    message:
        "Writing the report page, reports/index.html."
    input:
        "reports/tables/cells.json",
        "reports/tables/validity.json",
        expand("reports/figures/{figure}.svg", figure=FIGURES),
        "reports/figures/curves.json",
        expand(
            "data/processed/{dataset}/{file}",
            dataset=DATASETS,
            file=["summary.json", "contact_sheet.png", "images.npy", "index.csv", "raw_tree.csv"],
        ),
        of_all_models("reports/{dataset}/{model}/{file}", runs=TRAINED, file=["training.json", "curves.png"]),
        of_all_models(
            "reports/{dataset}/{model}/{file}",
            file=["attack.json", "examples.npz", "predictions.csv", "intervals.csv", "sensitivity.csv"],
        ),
        of_certified_models("certify.json"),
        of_rescanned_models("acquisition.json"),
        expand("reports/{dataset}/clean/acquisition.png", dataset=dict.fromkeys(name for name, _ in RESCANNED)),
        expand("reports/acceptance/{policy}.json", policy=POLICIES),
    output:
        "reports/index.html",
    params:
        **tracked("seed", "run", "attacks", "datasets", "acceptance", "report", "validity"),
        code=code("report"),
        code_behind=[code(stage) for stage in SHOWN_CODE],  # the page names the code behind its numbers
    log:
        "logs/report.log",
    benchmark:
        "logs/benchmarks/report.tsv"
    conda:
        ENVIRONMENT
    resources:
        **asked("report"),
    shell:
        command("report")


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
        command("accept") + " --policy {wildcards.policy}"
