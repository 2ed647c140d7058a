# How notebooks become a site. What is stale is decided by content alone: each rule's `params` hold
# the digest of all it depends on, and the Makefile passes `--rerun-triggers params input`.
from pathlib import Path

from bookbinder import catalogue, execute

PAPERS = catalogue.load().written()
EXECUTED = [f"build/executed/{paper.slug}.ipynb" for paper in PAPERS]
DIGESTS = {paper.slug: execute.fingerprint(paper) for paper in PAPERS}
PAGES = ["requirements-book.txt"] + sorted(
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


# The verdicts against the accepted record.
rule record:
    input:
        EXECUTED,
    output:
        touch("build/record.stamp"),
    params:
        digest=execute.digest_of(["book/claims.json", "src/bookbinder/record.py"]),
        executed=DIGESTS,
    log:
        "build/logs/record.log",
    shell:
        "python -m bookbinder.record > {log} 2>&1"


# The pages, published in one step when they are complete.
rule site:
    input:
        EXECUTED,
        "build/record.stamp",
    output:
        touch("build/site.stamp"),
    params:
        digest=execute.digest_of(PAGES),
        executed=DIGESTS,
    log:
        "build/logs/site.log",
    shell:
        "(python -m bookbinder.site && python -m bookbinder.publish) > {log} 2>&1"
