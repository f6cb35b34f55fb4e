"""The main job in a dozen lines: audit, plan to a target, audit again, compare, report. Minutes on a CPU, offline.

python examples/quickstart.py
"""

import equinoise as eq

CONCEPT, AXES = "a photo of a doctor", ["gender", "tone"]

model = eq.load("emoji", steps=25)
before = eq.audit(model, CONCEPT, axes=AXES, n=128)
plan = eq.plan(model, CONCEPT, targets=dict.fromkeys(AXES, "uniform"), budget=768, out="runs/quickstart/plan")
after = eq.audit(model, CONCEPT, axes=AXES, n=128, plan=plan)
print(before, plan, eq.compare_runs(before, after), sep="\n")
print(eq.report([before, after], "runs/quickstart/report.html"))
