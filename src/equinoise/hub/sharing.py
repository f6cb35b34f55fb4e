"""Directions and plans as others of the Hugging Face hub are shared: a folder or a repository with a readable card."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Self

from equinoise.errors import EquinoiseError
from equinoise.files import write_whole
from equinoise.hub.cards import Notes, Subject, card

CARD = "README.md"


class Shareable(ABC):
    """A value of one safetensors file, with the three methods that users of huggingface_hub expect.

    `ModelHubMixin` of huggingface_hub itself is not used: it writes attributes onto its instances and a `config.json`
    beside the weights, and our values are frozen and carry everything in one file. The arguments are the same.
    """

    FILE: ClassVar[str]

    @abstractmethod
    def save(self, path: Path) -> None:
        """Write the file."""

    @classmethod
    @abstractmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""

    @abstractmethod
    def subject(self) -> Subject:
        """What its card is about."""

    def save_pretrained(self, save_directory: str | Path, *, notes: Notes | None = None) -> Path:
        """Write the file and its card, README.md, into a folder; the folder.

        `notes`: what the card says beyond what the value knows of itself.

        Raises:
            EquinoiseError: the folder cannot be written.
        """
        folder = Path(save_directory)
        self.save(folder / self.FILE)
        write_whole(folder / CARD, card(self.subject(), notes or Notes()).encode())
        return folder

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
    ) -> Self:
        """From a folder that `save_pretrained` wrote, or a repository on the hub at a branch, tag or commit.

        Raises:
            EquinoiseError: no such folder or repository, out of reach, damaged, or of another kind.
        """
        folder = Path(pretrained_model_name_or_path)
        if folder.is_dir():
            return cls.load(folder / cls.FILE)
        name = str(pretrained_model_name_or_path)
        try:
            found = _client(token).hf_hub_download(
                name,
                cls.FILE,
                revision=revision,
                cache_dir=cache_dir,
                force_download=force_download,
                local_files_only=local_files_only,
            )
        except Exception as error:
            raise _refusal(error, f"cannot get {cls.FILE} of '{name}'") from error
        return cls.load(Path(found))

    def push_to_hub(
        self,
        repo_id: str,
        *,
        commit_message: str = "Add with equinoise",
        private: bool | None = None,
        token: str | None = None,
        branch: str | None = None,
        create_pr: bool | None = None,
        notes: Notes | None = None,
    ) -> str:
        """Upload the file and its card to a repository, which is made where there is none; the address of the commit.

        Raises:
            EquinoiseError: the hub is out of reach or refuses.
        """
        client = _client(token)
        with TemporaryDirectory() as folder:
            self.save_pretrained(folder, notes=notes)
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


def _client(token: str | bool | None) -> Any:
    import huggingface_hub

    return huggingface_hub.HfApi(token=token)


def _refusal(error: Exception, what: str) -> EquinoiseError:
    """The hub client's errors in one line; an error that is not the hub's, the disk's or the name's is ours."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    if not isinstance(error, HfHubHTTPError | HFValidationError | OSError | ValueError):
        raise error
    reason = " ".join(str(error).split())[:160]
    return EquinoiseError(f"{what}: {reason} (give a folder, or the name of a repository within reach)")
