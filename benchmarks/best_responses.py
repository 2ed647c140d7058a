"""Best responses beside a general solver: `python -m benchmarks.best_responses`.

The page's own functions, read from its notebook, answer for all agents of a quadratic classifier
at once; the peer is SLSQP of scipy, agent after agent, on the same problems. Ratios are of time;
the mean cost that each pays is printed beside, for a fast answer may be a worse one.
"""

from pathlib import Path
from typing import Any

import jax
import numpy as np
from benchmarks.compare import compare
from benchmarks.pages import definitions

NOTEBOOK = Path("notebooks/evaluation-and-agents/strategic-responses.ipynb")
NAMES = {
    "STEPS", "PRICES", "SCRIPT", "adam", "settings", "cost", "cheapest", "pick", "price",
    "linearized", "plain_dual", "score_and_gradient", "respond", "quadratic", "quadratic_numpy",
    "general_solver",
}  # fmt: skip


def main() -> None:
    """Times 40 and 640 agents in five dimensions: 50 linearized steps, and 2,000 of the dual."""
    own = definitions(NOTEBOOK, NAMES)
    rng = np.random.default_rng(0)
    q = rng.normal(size=(5, 5)) / 8
    f = {"Q": (q + q.T) / 2, "w": rng.normal(size=5), "b": -1.0}
    family = {name: np.asarray(value)[None] for name, value in f.items()}
    candidates = 1.5 * rng.normal(size=(20_000, 5))
    refused = candidates[np.asarray(own["quadratic"](f, candidates)) < 0]
    for number in (40, 640):
        x = refused[:number]

        def solver(x: Any = x) -> Any:
            return own["general_solver"](own["quadratic_numpy"], family, x[None], 0.05)[0][0]

        def linearized(x: Any = x) -> Any:
            return own["linearized"](own["quadratic"], f, x)["last"]

        def dual(x: Any = x) -> Any:
            setting = own["settings"]("dual", steps=2000, rate=7e-3)
            return own["respond"](own["quadratic"], f, x, setting)["kept"]

        for name, ours in (("linearized", linearized), ("dual, 2,000 steps", dual)):
            compare(f"{number} best responses, {name}, against SLSQP", ours, solver, rounds=5)
        paid = {name: np.mean(np.square(np.asarray(z()) - x).sum(-1) / 2) for name, z in
                (("SLSQP", solver), ("linearized", linearized), ("dual", dual))}  # fmt: skip
        print("  mean cost paid:", {name: round(float(cost), 4) for name, cost in paid.items()})


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    main()
