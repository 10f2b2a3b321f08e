# Data: from raw trees to images, splits and a contact sheet.


rule acquire:
    message:
        "Writing the raw data of {wildcards.dataset} in their published format."
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
        command("acquire") + " --dataset {wildcards.dataset}"


rule preprocess:
    message:
        "Cropping, resizing, scaling and splitting the images of {wildcards.dataset}."
    input:
        raw=raw_tree,
    output:
        **DATA,
        contact_sheet=shown("data/processed/{dataset}/contact_sheet.png", "Data", dataset="{dataset}"),
        raw_tree=RAW_TREE,
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
        command("preprocess") + " --dataset {wildcards.dataset}"
