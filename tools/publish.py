"""Write a release folder of each model, and upload it where there is a token.

    python -m tools.publish OWNER/NAME [MODEL …] [--weights trained|random] [--license ID]

The folders are build/release/MODEL. One model goes to OWNER/NAME; of several, which are those of
the grid unless they are named, each goes to OWNER/NAME-MODEL, for clients read one model from a
repository's root. The token is HF_TOKEN's, or the one that `hf auth login` keeps.
"""

import argparse

import httpx2
import huggingface_hub
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from clip_onnx import command
from clip_onnx.settings import params
from tools import checkpoint_origin, release

OURS = "onnx/*"  # what an earlier release left there and this one has no more is removed


def destinations(target, models):
    """{model: repository}."""
    return {model: f"{target}-{model}" if len(models) > 1 else target for model in models}


def check_target(repository):
    """Raise Refusal unless it is a name that the hub takes."""
    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise command.Refusal(f"TARGET: {command.first_line(error)}") from None
    if repository.count("/") != 1:
        raise command.Refusal(f"TARGET={repository}: name the repository: TARGET=owner/name")


def upload(folder, repository, token):
    """Put a folder into a repository, which is made if it is not there; the commit's address."""
    api = huggingface_hub.HfApi(token=token)
    try:
        api.create_repo(repository, exist_ok=True)
        done = api.upload_folder(
            repo_id=repository,
            folder_path=folder,
            commit_message=f"{folder.name}, by clip-onnx",
            delete_patterns=OURS,
        )
    except (httpx2.HTTPError, RuntimeError, ValueError) as error:  # its answers, and its client's
        raise command.Refusal(
            f"{repository}: {command.first_line(error)}: {folder} is complete, try again"
        ) from None
    return done.commit_url


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("target")
    parser.add_argument("models", nargs="*")
    parser.add_argument("--weights", choices=checkpoint_origin.STATED)
    parser.add_argument("--license")
    arguments = parser.parse_args()
    models = arguments.models or params.load().grid.models
    repositories = destinations(arguments.target, models)
    for repository in repositories.values():
        check_target(repository)
    stated = arguments.weights, arguments.license
    folders = {model: release.write(model, repositories[model], *stated) for model in models}
    token = huggingface_hub.get_token()
    for model, folder in folders.items():
        if token:
            print(f"{folder}: {upload(folder, repositories[model], token)}")
        else:
            print(f"{folder}: not uploaded to {repositories[model]}: set HF_TOKEN to do it")


if __name__ == "__main__":
    command.run(main)
