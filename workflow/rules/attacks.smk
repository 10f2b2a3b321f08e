# Attacks on the test images, the ranking of the images, certificates, changes of the acquisition, the validity gate,
# and the models of further training seeds, one job for each data set and seed. Attacks and ranking run in one job or in
# shards: `snakemake --set-scatter test_images=8`, or set-scatter in a profile. Each shard processes a part of the test
# images; the rule without a shard then combines them. Its outputs are bit-identical to those of one job. DVC runs that
# one job.


rule attack:
    message:
        "Attacking the {wildcards.model} model of {wildcards.dataset}."
    input:
        **DATA,
        model="models/{dataset}/{model}.keras",
        answers="models/{dataset}/{model}.answers.json",
        clean="models/{dataset}/clean.keras",
        clean_answers="models/{dataset}/clean.answers.json",
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
        command("attack") + " --dataset {wildcards.dataset} --model {wildcards.model} {input.shards}"


rule attack_shard:
    message:
        "Attacking the {wildcards.model} model of {wildcards.dataset}, shard {wildcards.scatteritem} of the test images."
    input:
        **DATA,
        model="models/{dataset}/{model}.keras",
        answers="models/{dataset}/{model}.answers.json",
    output:
        temp("reports/{dataset}/{model}/shards/attack.{scatteritem}.npz"),
    params:
        **tracked("seed", "run.threads", "attacks", "datasets.{dataset}.attack"),
        code=code("attack"),
    log:
        "logs/attack/{dataset}-{model}.{scatteritem}.log",
    benchmark:
        "logs/benchmarks/attack/{dataset}-{model}.{scatteritem}.tsv"
    conda:
        ENVIRONMENT
    threads: THREADS
    resources:
        **ON_A_GPU,
        **asked("attack"),
    shell:
        command("attack") + " --dataset {wildcards.dataset} --model {wildcards.model}"
        " --shard {wildcards.scatteritem} --output {output}"


rule rank:
    message:
        "Ranking the test images of {wildcards.dataset} by their minimal epsilon for the {wildcards.model} model."
    input:
        **DATA,
        model="models/{dataset}/{model}.keras",
        answers="models/{dataset}/{model}.answers.json",
        intervals="reports/{dataset}/{model}/intervals.csv",
        shards=shards("rank"),
    output:
        metrics="reports/{dataset}/{model}/rank.json",
        sensitivity="reports/{dataset}/{model}/sensitivity.csv",
        scores="reports/{dataset}/{model}/scores.csv",
    params:
        **tracked("seed", "run.threads", "attacks", "datasets.{dataset}.rank", "datasets.{dataset}.attack"),
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
        command("rank") + " --dataset {wildcards.dataset} --model {wildcards.model} {input.shards}"


rule rank_shard:
    message:
        "Ranking shard {wildcards.scatteritem} of the test images of {wildcards.dataset} for the {wildcards.model} model."
    input:
        **DATA,
        model="models/{dataset}/{model}.keras",
        answers="models/{dataset}/{model}.answers.json",
        intervals="reports/{dataset}/{model}/intervals.csv",
    output:
        temp("reports/{dataset}/{model}/shards/rank.{scatteritem}.npz"),
    params:
        **tracked("seed", "run.threads", "attacks", "datasets.{dataset}.rank", "datasets.{dataset}.attack"),
        code=code("rank"),
    log:
        "logs/rank/{dataset}-{model}.{scatteritem}.log",
    benchmark:
        "logs/benchmarks/rank/{dataset}-{model}.{scatteritem}.tsv"
    conda:
        ENVIRONMENT
    threads: THREADS
    resources:
        **ON_A_GPU,
        **asked("rank"),
    shell:
        command("rank") + " --dataset {wildcards.dataset} --model {wildcards.model}"
        " --shard {wildcards.scatteritem} --output {output}"


rule certify:
    message:
        "Certifying the answers of the smoothed {wildcards.model} model of {wildcards.dataset}."
    wildcard_constraints:
        model="|".join(TRAINED_MODELS),
    input:
        **DATA,
        model="models/{dataset}/{model}.keras",
        answers="models/{dataset}/{model}.answers.json",
    output:
        metrics="reports/{dataset}/{model}/certify.json",
        certificates="reports/{dataset}/{model}/certificates.csv",
    params:
        **tracked("seed", "run.threads", "attacks.batch_size", "attacks.table_epsilons"),
        **tracked("attacks.strict.search_precision"),
        **tracked("datasets.{dataset}.certify", "datasets.{dataset}.attack"),
        code=code("certify"),
    log:
        "logs/certify/{dataset}-{model}.log",
    benchmark:
        "logs/benchmarks/certify/{dataset}-{model}.tsv"
    conda:
        ENVIRONMENT
    threads: THREADS
    resources:
        **ON_A_GPU,
        **asked("certify"),
    shell:
        command("certify") + " --dataset {wildcards.dataset} --model {wildcards.model}"


rule rescan:
    message:
        "Changing the raw values of {wildcards.dataset} as scanners do, for the {wildcards.model} model."
    wildcard_constraints:
        model="|".join(TRAINED_MODELS),
    input:
        **DATA,
        raw=raw_tree,
        raw_tree=RAW_TREE,
        model="models/{dataset}/{model}.keras",
        answers="models/{dataset}/{model}.answers.json",
    output:
        metrics="reports/{dataset}/{model}/acquisition.json",
        rows="reports/{dataset}/{model}/acquisition.csv",
        sheet=shown("reports/{dataset}/{model}/acquisition.png", "Acquisition", dataset="{dataset}", model="{model}"),
    params:
        **tracked("seed", "run.threads", "attacks.batch_size"),
        **tracked("attacks.strict.search_precision", "datasets.{dataset}.preprocess"),
        **tracked("datasets.{dataset}.acquisition", "datasets.{dataset}.attack"),
        code=code("rescan"),
    log:
        "logs/rescan/{dataset}-{model}.log",
    benchmark:
        "logs/benchmarks/rescan/{dataset}-{model}.tsv"
    conda:
        ENVIRONMENT
    threads: THREADS
    resources:
        **ON_A_GPU,
        **asked("rescan"),
    shell:
        command("rescan") + " --dataset {wildcards.dataset} --model {wildcards.model}"


rule validate:
    message:
        "Judging whether the results of the {wildcards.model} model of {wildcards.dataset} are valid."
    input:
        index="data/processed/{dataset}/index.csv",
        summary="data/processed/{dataset}/summary.json",
        answers="models/{dataset}/{model}.answers.json",
        training="reports/{dataset}/{model}/training.json",
        metrics="reports/{dataset}/{model}/attack.json",
        predictions="reports/{dataset}/{model}/predictions.csv",
        intervals="reports/{dataset}/{model}/intervals.csv",
        threats="reports/{dataset}/{model}/threats.csv",
    output:
        "reports/{dataset}/{model}/validity.json",
    params:
        **tracked("seed", "datasets.{dataset}.model", "datasets.{dataset}.train", "datasets.{dataset}.harden"),
        code=code("validate"),
    log:
        "logs/validate/{dataset}-{model}.log",
    benchmark:
        "logs/benchmarks/validate/{dataset}-{model}.tsv"
    conda:
        ENVIRONMENT
    resources:
        **asked("validate"),
    shell:
        command("validate") + " --dataset {wildcards.dataset} --model {wildcards.model}"


rule repeat:
    message:
        "Training and attacking the models of {wildcards.dataset} with training seed {wildcards.seed}."
    input:
        **DATA,
        own=OWN_FILES,
    output:
        predictions="reports/{dataset}/seeds/{seed}/predictions.csv",
        intervals="reports/{dataset}/seeds/{seed}/intervals.csv",
    params:
        **tracked("seed", "run.threads", "attacks", "report.adversarial_training_epsilon"),
        **tracked("datasets.{dataset}.model", "datasets.{dataset}.augment", "datasets.{dataset}.train"),
        **tracked("datasets.{dataset}.harden", "datasets.{dataset}.attack"),
        code=code("repeat"),
    log:
        "logs/repeat/{dataset}-{seed}.log",
    benchmark:
        "logs/benchmarks/repeat/{dataset}-{seed}.tsv"
    conda:
        ENVIRONMENT
    threads: THREADS
    resources:
        **ON_A_GPU,
        **asked("repeat"),
    shell:
        command("repeat") + " --dataset {wildcards.dataset} --seed {wildcards.seed}"
