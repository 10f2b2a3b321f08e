# The two stages that attack every test image, as many jobs: `snakemake --set-scatter test_images=8`, or set-scatter in a
# profile. Each job does its part of the images; the rule without a shard then puts the parts together, and its outputs
# are, to the bit, those of one job. DVC runs that one job.


rule attack_shard:
    message:
        "Attacking the {wildcards.model} {wildcards.dataset} model, part {wildcards.scatteritem} of the test images."
    input:
        **DATA,
        model="models/{dataset}/{model}.keras",
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
        f"../../{ENVIRONMENT}"
    threads: THREADS
    resources:
        **ON_A_GPU,
        **asked("attack"),
    shell:
        "python workflow/scripts/attack.py --dataset {wildcards.dataset} --model {wildcards.model}"
        " --shard {wildcards.scatteritem} --output {output} 2>&1 | tee {log}"


rule rank_shard:
    message:
        "Ranking by the {wildcards.model} {wildcards.dataset} model, part {wildcards.scatteritem} of the test images."
    input:
        **DATA,
        model="models/{dataset}/{model}.keras",
        intervals="reports/{dataset}/{model}/intervals.csv",
    output:
        temp("reports/{dataset}/{model}/shards/rank.{scatteritem}.npz"),
    params:
        **tracked("seed", "run.threads", "attacks", "datasets.{dataset}.rank", "datasets.{dataset}.attack.max_images"),
        code=code("rank"),
    log:
        "logs/rank/{dataset}-{model}.{scatteritem}.log",
    benchmark:
        "logs/benchmarks/rank/{dataset}-{model}.{scatteritem}.tsv"
    conda:
        f"../../{ENVIRONMENT}"
    threads: THREADS
    resources:
        **ON_A_GPU,
        **asked("rank"),
    shell:
        "python workflow/scripts/rank.py --dataset {wildcards.dataset} --model {wildcards.model}"
        " --shard {wildcards.scatteritem} --output {output} 2>&1 | tee {log}"
