# Tables, figures and the report page.


rule tabulate:
    message:
        "Writing the tables and the sources of their cells."
    input:
        attacks=of_all_models("reports/{dataset}/{model}/attack.json"),
        ranks=of_all_models("reports/{dataset}/{model}/rank.json"),
    output:
        [shown(f"reports/tables/{table}.csv", "Tables") for table in TABLES],
        expand("reports/tables/{table}.md", table=TABLES),
        cells="reports/tables/cells.json",
    params:
        **tracked("run.datasets", "report", "attacks.table_epsilons", "attacks.protocols", "attacks.strict.threats"),
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
        "Drawing Figures 1, 2 and 3."
    input:
        attacks=of_all_models("reports/{dataset}/{model}/attack.json"),
        examples=expand("reports/{dataset}/clean/examples.npz", dataset=DATASETS),
        summaries=expand("data/processed/{dataset}/summary.json", dataset=DATASETS),
    output:
        [shown(f"reports/figures/{figure}.png", "Figures") for figure in FIGURES],
        expand("reports/figures/{figure}.svg", figure=FIGURES),
    params:
        **tracked("run.datasets", "report"),
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


rule report:
    message:
        "Writing the report page, reports/index.html."
    input:
        "reports/tables/cells.json",
        expand("reports/figures/{figure}.png", figure=FIGURES),
        expand("data/processed/{dataset}/{file}", dataset=DATASETS, file=["summary.json", "contact_sheet.png"]),
        of_all_models("reports/{dataset}/{model}/{file}", file=ON_THE_PAGE),
    output:
        "reports/index.html",
    params:
        **tracked("run.datasets", "report"),
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
