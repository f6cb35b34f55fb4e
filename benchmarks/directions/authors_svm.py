"""Is `svm` the paper's? python -m benchmarks.directions.authors_svm

At each captured step of the paper the cosine of our direction with the normal of scikit-learn's primal
`SVC(kernel="linear", C=1)` on latents divided by 0.18215, as the authors' scripts fit it, and with the paired
difference.
"""

from __future__ import annotations

import argparse

import numpy as np
from sklearn.svm import SVC

from benchmarks.common import fit_quickly, tell
from emoji_world.tables import Row
from equinoise import Engine, collect, load

STEPS = range(0, 50, 5)
THEIR_SCALE = 0.18215


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=50, help="images a class")
    parser.add_argument("--dtype", help="bfloat16 is twice as fast where the processor has it")
    args = parser.parse_args()
    model = load("emoji", steps=50, dtype=args.dtype, device="cpu")
    with Engine() as engine:
        traces = collect(model, "gender", n=args.n, capture=list(STEPS), engine=engine)
    ours, paired = fit_quickly(traces, "svm"), fit_quickly(traces, "paired")
    rows: list[Row] = []
    for step in STEPS:
        latents = traces.latents[step].reshape(len(traces.labels), -1).astype(np.float64) / THEIR_SCALE
        normal = SVC(kernel="linear", C=1.0).fit(latents, traces.labels == 0).coef_.ravel()
        found = ours.find("woman", step)
        cosine = float(found.vector.ravel() @ normal / np.linalg.norm(normal))
        rows.append({"step": step, "authors": cosine, "paired": found.cosine(paired.find("woman", step))})
    tell(rows, "authors_svm")


if __name__ == "__main__":
    main()
