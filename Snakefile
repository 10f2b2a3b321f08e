# The pipeline in order, from raw trees to one page. A rule here, a stage in dvc.yaml and a script in workflow/scripts
# share a name and a command; tests/test_graph.py proves that the two graphs are one. Helpers: workflow/rules/common.smk.
from snakemake.utils import min_version

min_version("9.20")


include: "workflow/rules/parameters.smk"


configfile: "params.yaml"


report: "workflow/report/workflow.rst"


scattergather:
    test_images=1,


include: "workflow/rules/common.smk"
include: "workflow/rules/shards.smk"


rule all:
    default_target: True
    localrule: True
    message:
        "Everything is made; the page is reports/index.html."
    input:
        ARTEFACTS,


rule acquire:
    message:
        "Writing the raw tree of {wildcards.dataset} in its published format."
    output:
        directory("data/raw/{dataset}"),
    params:
        **tracked("acquire.{dataset}", "datasets.{dataset}.preprocess.format.name"),
        code=code("acquire"),
    log:
        "logs/acquire/{dataset}.log",
    benchmark:
        "logs/benchmarks/acquire/{dataset}.tsv"
    conda:
        ENVIRONMENT
    resources:
        **asked("acquire"),
    wildcard_constraints:
        dataset=ACQUIRED,
    shell:
        "python workflow/scripts/acquire.py --dataset {wildcards.dataset} 2>&1 | tee {log}"


rule preprocess:
    message:
        "Cropping, resizing, scaling and splitting the images of {wildcards.dataset}."
    input:
        raw=raw_tree,
    output:
        **DATA,
        contact_sheet=shown("data/processed/{dataset}/contact_sheet.png", "Data"),
    params:
        **tracked("seed", "datasets.{dataset}.preprocess", "datasets.{dataset}.augment"),
        code=code("preprocess"),
    log:
        "logs/preprocess/{dataset}.log",
    benchmark:
        "logs/benchmarks/preprocess/{dataset}.tsv"
    conda:
        ENVIRONMENT
    resources:
        **asked("preprocess"),
    shell:
        "python workflow/scripts/preprocess.py --dataset {wildcards.dataset} 2>&1 | tee {log}"


rule train:
    message:
        "Fine-tuning VGG16 on the clean images of {wildcards.dataset}."
    input:
        **DATA,
        own=OWN_FILES,
    output:
        model="models/{dataset}/clean.keras",
        training="reports/{dataset}/clean/training.json",
        history="reports/{dataset}/clean/history.csv",
        curves=shown("reports/{dataset}/clean/curves.png", "Training"),
    params:
        **tracked("seed", "run.threads"),
        **tracked("datasets.{dataset}.model", "datasets.{dataset}.augment", "datasets.{dataset}.train"),
        code=code("train"),
    log:
        "logs/train/{dataset}.log",
    benchmark:
        "logs/benchmarks/train/{dataset}.tsv"
    conda:
        ENVIRONMENT
    threads: THREADS
    resources:
        **ON_A_GPU,
        **asked("train"),
    shell:
        "python workflow/scripts/train.py --dataset {wildcards.dataset} 2>&1 | tee {log}"


rule harden:
    message:
        "Training the {wildcards.dataset} model again, on adversarial images of itself."
    input:
        **DATA,
        model="models/{dataset}/clean.keras",
    output:
        model="models/{dataset}/adversarial.keras",
        training="reports/{dataset}/adversarial/training.json",
        history="reports/{dataset}/adversarial/history.csv",
        curves=shown("reports/{dataset}/adversarial/curves.png", "Training"),
    params:
        **tracked("seed", "run.threads", "datasets.{dataset}.augment", "datasets.{dataset}.harden"),
        code=code("harden"),
    log:
        "logs/harden/{dataset}.log",
    benchmark:
        "logs/benchmarks/harden/{dataset}.tsv"
    conda:
        ENVIRONMENT
    threads: THREADS
    resources:
        **ON_A_GPU,
        **asked("harden"),
    shell:
        "python workflow/scripts/harden.py --dataset {wildcards.dataset} 2>&1 | tee {log}"


rule attack:
    message:
        "Attacking the {wildcards.model} {wildcards.dataset} model, the paper's way and strictly."
    input:
        **DATA,
        model="models/{dataset}/{model}.keras",
        shards=shards("attack"),
    output:
        metrics="reports/{dataset}/{model}/attack.json",
        predictions="reports/{dataset}/{model}/predictions.csv",
        intervals="reports/{dataset}/{model}/intervals.csv",
        threats="reports/{dataset}/{model}/threats.csv",
        examples="reports/{dataset}/{model}/examples.npz",
    params:
        **tracked("seed", "run.threads", "attacks", "datasets.{dataset}.attack"),
        code=code("attack"),
    log:
        "logs/attack/{dataset}-{model}.log",
    benchmark:
        "logs/benchmarks/attack/{dataset}-{model}.tsv"
    conda:
        ENVIRONMENT
    threads: THREADS
    resources:
        **ON_A_GPU,
        **asked("attack"),
    shell:
        "python workflow/scripts/attack.py --dataset {wildcards.dataset} --model {wildcards.model} {input.shards}"
        " 2>&1 | tee {log}"


rule rank:
    message:
        "Ranking the test images of {wildcards.dataset} by the smallest epsilon that changes the {wildcards.model} model."
    input:
        **DATA,
        model="models/{dataset}/{model}.keras",
        intervals="reports/{dataset}/{model}/intervals.csv",
        shards=shards("rank"),
    output:
        metrics="reports/{dataset}/{model}/rank.json",
        sensitivity="reports/{dataset}/{model}/sensitivity.csv",
    params:
        **tracked("seed", "run.threads", "attacks", "datasets.{dataset}.rank", "datasets.{dataset}.attack.max_images"),
        code=code("rank"),
    log:
        "logs/rank/{dataset}-{model}.log",
    benchmark:
        "logs/benchmarks/rank/{dataset}-{model}.tsv"
    conda:
        ENVIRONMENT
    threads: THREADS
    resources:
        **ON_A_GPU,
        **asked("rank"),
    shell:
        "python workflow/scripts/rank.py --dataset {wildcards.dataset} --model {wildcards.model} {input.shards}"
        " 2>&1 | tee {log}"


rule tabulate:
    message:
        "Writing the tables, and where each of their cells comes from."
    input:
        attacks=expand("reports/{dataset}/{model}/attack.json", dataset=DATASETS, model=MODELS),
        ranks=expand("reports/{dataset}/{model}/rank.json", dataset=DATASETS, model=MODELS),
    output:
        [shown(f"reports/tables/{table}.csv", "Tables") for table in TABLES],
        expand("reports/tables/{table}.md", table=TABLES),
        cells="reports/tables/cells.json",
    params:
        **tracked("run.datasets", "report", "attacks.table_epsilons"),
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
        "python workflow/scripts/tabulate.py 2>&1 | tee {log}"


rule plot:
    message:
        "Drawing Figures 1, 2 and 3."
    input:
        attacks=expand("reports/{dataset}/{model}/attack.json", dataset=DATASETS, model=MODELS),
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
        "python workflow/scripts/plot.py 2>&1 | tee {log}"


rule report:
    message:
        "Putting everything on one page that works offline: reports/index.html."
    input:
        "reports/tables/cells.json",
        expand("reports/figures/{figure}.png", figure=FIGURES),
        expand("data/processed/{dataset}/{file}", dataset=DATASETS, file=["summary.json", "contact_sheet.png"]),
        expand("reports/{dataset}/{model}/{file}", dataset=DATASETS, model=MODELS, file=ON_THE_PAGE),
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
        "python workflow/scripts/report.py 2>&1 | tee {log}"
