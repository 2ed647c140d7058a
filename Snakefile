# How notebooks become a site. What is stale is decided by content alone: each rule's `params` hold
# the digest of all it depends on, and the Makefile passes `--rerun-triggers params input`.
from pathlib import Path

from bookbinder import accept, catalogue, execute

BOOK = catalogue.load()
PAPERS = BOOK.written()
EXECUTED = [f"build/executed/{paper.slug}.ipynb" for paper in PAPERS]
DIGESTS = {paper.slug: execute.fingerprint(paper) for paper in PAPERS}
PAGES = ["requirements-book.txt", "requirements.txt", "CONTRIBUTING.md"] + sorted(
    path
    for folder in ("book", "src")
    for path in Path(folder).rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
)


rule book:
    input:
        "build/site.stamp",


# The notebooks alone, or one runner's share of them.
rule execute_shard:
    input:
        EXECUTED[int(config.get("shard", 0)) :: int(config.get("shards", 1))],


# Every notebook, executed exactly once per change.
rule execute:
    output:
        "build/executed/{slug}.ipynb",
    params:
        digest=lambda wildcards: DIGESTS[wildcards.slug],
    log:
        "build/logs/{slug}.log",
    threads: 1
    shell:
        "python -m bookbinder.execute {wildcards.slug} > {log} 2>&1"


# Records of the papers named, or of all that are out of date.
rule accept:
    input:
        lambda wildcards: [
            f"build/accepted/{paper.slug}.stamp"
            for paper in accept.outdated(config["papers"].replace("all", "").split())
        ],


# One sealed draw. Its path names rules, code and library, and no input makes a finished one stale.
rule draw:
    output:
        "build/draws/{slug}/{library}/{seed}.json",
    log:
        "build/logs/{slug}-{library}-{seed}.log",
    threads: 1
    shell:
        "python -m bookbinder.accept draw {wildcards.slug} {wildcards.seed} {output} > {log} 2>&1"


rule record:
    input:
        "build/executed/{slug}.ipynb",
        lambda wildcards: [
            accept.draw_path(BOOK[wildcards.slug], seed)
            for seed in accept.seeds_of(BOOK[wildcards.slug])
        ],
    output:
        touch("build/accepted/{slug}.stamp"),
    params:
        digest=lambda wildcards: DIGESTS[wildcards.slug],
    log:
        "build/logs/{slug}-record.log",
    shell:
        "python -m bookbinder.accept write {wildcards.slug} > {log} 2>&1"


# The pages, published in one step when they are complete.
rule site:
    input:
        EXECUTED,
    output:
        touch("build/site.stamp"),
    params:
        digest=execute.digest_of(PAGES),
        executed=DIGESTS,
    log:
        "build/logs/site.log",
    shell:
        "(python -m bookbinder.site && python -m bookbinder.publish) > {log} 2>&1"
