"""Directions and plans shared in the way of the Hugging Face hub: a folder or a repository with a readable card.

The functions take the arguments of `ModelHubMixin` of huggingface_hub. That class itself is not used: it writes
attributes onto its instances and a `config.json` beside the weights, while directions and plans are frozen values of
one file each.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from equinoise.directions.direction import DirectionSet
from equinoise.errors import EquinoiseError, reason_of
from equinoise.files import write_whole
from equinoise.hub.cards import Notes, card
from equinoise.steering.plan import Plan

CARD = "README.md"
FILES: dict[str, type[DirectionSet | Plan]] = {"directions.safetensors": DirectionSet, "plan.safetensors": Plan}


def save_pretrained(what: DirectionSet | Plan, folder: str | Path, *, notes: Notes | None = None) -> Path:
    """Write directions or a plan, and their card README.md, into a folder; the folder.

    Args:
        what: the directions or the plan.
        folder: made where there is none.
        notes: what the card says beyond what the value holds, such as audits before and after.

    Raises:
        EquinoiseError: the folder cannot be written.
    """
    place = Path(folder)
    what.save(place / next(file for file, kind in FILES.items() if isinstance(what, kind)))
    write_whole(place / CARD, card(what, notes or Notes()).encode())
    return place


def from_pretrained(
    name: str | Path,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
) -> DirectionSet | Plan:
    """Directions or a plan, whichever a folder or a repository on the hub holds.

    Args:
        name: a folder that `save_pretrained` wrote, or a repository. Where it holds both, name the file behind it:
            `me/doctors/plan.safetensors`.
        revision: branch, tag or commit of the repository.
        token: of the hub, where the repository is private.
        cache_dir: where the hub's client keeps downloads.
        force_download: download even what is in the cache.
        local_files_only: use the cache only.

    Raises:
        EquinoiseError: no such folder or repository, out of reach, damaged, or one that holds both or neither.
    """
    place, asked = Path(name), list(FILES)
    if place.name in FILES:
        place, asked = place.parent, [place.name]
    if place.is_dir():
        found = {file: place / file for file in asked if (place / file).is_file()}
    else:
        options = {"revision": revision, "cache_dir": cache_dir, "force_download": force_download}
        found = _download(place.as_posix(), asked, token, local_files_only=local_files_only, **options)
    if not found:
        raise EquinoiseError(f"{place} holds no {' and no '.join(asked)}; give a folder that save_pretrained wrote")
    if len(found) > 1:
        raise EquinoiseError(f"{place} holds {' and '.join(found)}; name one of them, such as {place / asked[-1]}")
    ((file, path),) = found.items()
    return FILES[file].load(path)


def push_to_hub(
    what: DirectionSet | Plan,
    repo_id: str,
    *,
    commit_message: str = "Add with equinoise",
    private: bool | None = None,
    token: str | None = None,
    branch: str | None = None,
    create_pr: bool | None = None,
    notes: Notes | None = None,
) -> str:
    """Upload directions or a plan, and their card, to a repository; the address of the commit.

    Args:
        what: the directions or the plan.
        repo_id: of the repository, which is made where there is none.
        commit_message: first line of the commit.
        private: whether a new repository is private; None leaves that to the hub.
        token: of the hub; None takes the one that the hub's client knows.
        branch: made where there is none; None is the main branch.
        create_pr: open a pull request instead of writing to the branch.
        notes: as for `save_pretrained`.

    Raises:
        EquinoiseError: the hub is out of reach or refuses.
    """
    client = _client(token)
    with TemporaryDirectory() as folder:
        save_pretrained(what, folder, notes=notes)
        try:
            made = client.create_repo(repo_id=repo_id, private=private, exist_ok=True).repo_id
            if branch is not None:
                client.create_branch(repo_id=made, branch=branch, exist_ok=True)
            commit = client.upload_folder(
                repo_id=made,
                folder_path=folder,
                commit_message=commit_message,
                revision=branch,
                create_pr=create_pr,
            )
        except Exception as error:
            raise _refusal(error, f"cannot push to '{repo_id}'") from error
    return str(commit)


def _download(repo_id: str, files: list[str], token: str | bool | None, **options: Any) -> dict[str, Path]:
    """Those of the files that the repository holds, by name.

    Raises:
        EquinoiseError: none can be had.
    """
    from huggingface_hub.errors import EntryNotFoundError

    client, found = _client(token), dict[str, Path]()
    missing: Exception | None = None
    for file in files:
        try:
            found[file] = Path(client.hf_hub_download(repo_id, file, **options))
        except EntryNotFoundError as error:
            missing = error
        except Exception as error:
            raise _refusal(error, f"cannot get {' or '.join(files)} of '{repo_id}'") from error
    if missing and not found:
        raise _refusal(missing, f"cannot get {' or '.join(files)} of '{repo_id}'") from missing
    return found


def _client(token: str | bool | None) -> Any:
    import huggingface_hub

    return huggingface_hub.HfApi(token=token)


def _refusal(error: Exception, what: str) -> EquinoiseError:
    """The errors of the hub's client in one line. Any other error is a fault of equinoise and raised as it is."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    if not isinstance(error, HfHubHTTPError | HFValidationError | OSError | ValueError):
        raise error
    reason = reason_of(error)
    return EquinoiseError(f"{what}: {reason} (give a folder, or the name of a repository within reach)")
