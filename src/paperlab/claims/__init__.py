"""The ledger: a paper's claims, measured, judged by rules that can fail, and recorded.

Rules stand in the paper's entry, `book/papers/<slug>.yml`. A notebook makes an `Estimate` for each
check and each control that the entry names, and hands them to the `Ledger`, which computes the
verdicts from intervals alone. `pooled_record` does the same for several draws together.
"""

from paperlab.claims.display import MIME_TYPE, Report, summary, text_to_html
from paperlab.claims.draws import pool, pooled_record
from paperlab.claims.entry import WAIVERS, CheckEntry, ClaimEntry, ClaimError, Entry
from paperlab.claims.estimates import (
    CONFIDENCE,
    Estimate,
    bootstrap,
    correlation,
    exact,
    interquartile_mean,
    mean,
    paired_difference,
    proportion,
    residual,
    slope,
    wilson,
)
from paperlab.claims.ledger import Check, Ledger, against, judge, rejects
from paperlab.claims.rules import Rule, Verdict

__all__ = [
    "CONFIDENCE",
    "MIME_TYPE",
    "WAIVERS",
    "Check",
    "CheckEntry",
    "ClaimEntry",
    "ClaimError",
    "Entry",
    "Estimate",
    "Ledger",
    "Report",
    "Rule",
    "Verdict",
    "against",
    "bootstrap",
    "correlation",
    "exact",
    "interquartile_mean",
    "judge",
    "mean",
    "paired_difference",
    "pool",
    "pooled_record",
    "proportion",
    "rejects",
    "residual",
    "slope",
    "summary",
    "text_to_html",
    "wilson",
]
