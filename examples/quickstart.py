"""The main job in a dozen lines: find a direction, shift the noise, count. Minutes on a CPU.

python examples/quickstart.py
"""

from equinoise import Engine, Intervention, Job, Shift, audit, fit, load_axis, open_session
from equinoise.engine.images import make_images
from equinoise.seeds import COLLECT, VERIFY, seed_range
from equinoise.workflows.collecting import collect

CONCEPT = "a photo of a doctor"


def main() -> None:
    """Women among doctors, before and after a shift at step 5."""
    session, gender = open_session("emoji"), load_axis("gender")
    prompts = {name: gender.generate[name][0] for name in gender.classes}
    with Engine(session.workers) as engine:
        traces = collect(
            engine,
            session.request([gender], capture=[5]),
            gender,
            prompts,
            seed_range(COLLECT, 25),
            session.model.provenance,
        )
        woman = fit(traces, "paired").find("woman", step=5)
        for shift in (Intervention(), Intervention((Shift(woman, weight=3),))):
            jobs = [Job(str(seed), CONCEPT, seed, shift) for seed in seed_range(VERIFY, 32)]
            records = make_images(engine, session.request([gender]), jobs)
            (found,) = audit(records, [gender]).to_json()["audits"]
            share = found["classes"]["woman"]
            print(f"{shift.name}: {share['count']} of {found['n']} women ({share['low']:.0%}–{share['high']:.0%})")


if __name__ == "__main__":
    main()
