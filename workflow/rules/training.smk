# Models: training on clean images, then on adversarial ones or under noise.


rule train:
    message:
        "Making the clean model of {wildcards.dataset}: training it, or only checking a finished one."
    input:
        **DATA,
        own=OWN_FILES,
    output:
        model="models/{dataset}/clean.keras",
        answers="models/{dataset}/clean.answers.json",
        training="reports/{dataset}/clean/training.json",
        history="reports/{dataset}/clean/history.csv",
        curves=shown("reports/{dataset}/clean/curves.png", "Training", dataset="{dataset}", model="clean"),
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
        command("train") + " --dataset {wildcards.dataset}"


rule harden:
    message:
        "Adversarial training of the {wildcards.dataset} model."
    input:
        **DATA,
        model="models/{dataset}/clean.keras",
        answers="models/{dataset}/clean.answers.json",
    output:
        model="models/{dataset}/adversarial.keras",
        answers="models/{dataset}/adversarial.answers.json",
        training="reports/{dataset}/adversarial/training.json",
        history="reports/{dataset}/adversarial/history.csv",
        curves=shown("reports/{dataset}/adversarial/curves.png", "Training", dataset="{dataset}", model="adversarial"),
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
        command("harden") + " --dataset {wildcards.dataset}"


rule smooth:
    message:
        "Training the {wildcards.dataset} model under noise."
    input:
        **DATA,
        model="models/{dataset}/clean.keras",
        answers="models/{dataset}/clean.answers.json",
    output:
        model="models/{dataset}/noise.keras",
        answers="models/{dataset}/noise.answers.json",
        training="reports/{dataset}/noise/training.json",
        history="reports/{dataset}/noise/history.csv",
        curves=shown("reports/{dataset}/noise/curves.png", "Training", dataset="{dataset}", model="noise"),
    params:
        **tracked("seed", "run.threads", "datasets.{dataset}.augment", "datasets.{dataset}.smooth"),
        code=code("smooth"),
    log:
        "logs/smooth/{dataset}.log",
    benchmark:
        "logs/benchmarks/smooth/{dataset}.tsv"
    conda:
        ENVIRONMENT
    threads: THREADS
    resources:
        **ON_A_GPU,
        **asked("smooth"),
    shell:
        command("smooth") + " --dataset {wildcards.dataset}"
