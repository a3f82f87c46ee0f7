"""Mint a token, check it, revoke it, check it again: by gRPC, from the published .proto files alone.

Needs `pip install grpcio grpcio-tools` and a running `tokenward dev`. Settings come from the environment:
TOKENWARD_CREDENTIAL_FILE (required), TOKENWARD_ISSUER, TOKENWARD_VERIFIER.
"""

import importlib
import os
import pathlib
import sys
import tempfile
import time
import uuid

import grpc
import grpc_tools
from grpc_tools import protoc

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"


def generate_stubs(folder):
    """In a project of your own you would do this once and keep the files."""
    well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    files = [str(path) for path in sorted((PROTO / "tokenward" / "v1").glob("*.proto"))]
    arguments = ["protoc", f"-I{PROTO}", f"-I{well_known}", f"--python_out={folder}", f"--grpc_python_out={folder}"]
    if protoc.main(arguments + files) != 0:
        sys.exit("protoc failed")
    sys.path.insert(0, folder)


def main():
    with tempfile.TemporaryDirectory() as folder:
        generate_stubs(folder)
        token = importlib.import_module("tokenward.v1.token_pb2")
        token_grpc = importlib.import_module("tokenward.v1.token_pb2_grpc")
        directory = importlib.import_module("tokenward.v1.directory_pb2")
        verifier = importlib.import_module("tokenward.v1.verifier_pb2")
        verifier_grpc = importlib.import_module("tokenward.v1.verifier_pb2_grpc")

    # The operator's credential goes into the metadata of every call to the issuer.
    credential = pathlib.Path(os.environ["TOKENWARD_CREDENTIAL_FILE"]).read_text().strip()
    as_operator = [("authorization", f"Bearer {credential}")]
    issuer = os.environ.get("TOKENWARD_ISSUER", "http://127.0.0.1:8470").removeprefix("http://")
    tokens = token_grpc.TokenServiceStub(grpc.insecure_channel(issuer))
    verifier_at = os.environ.get("TOKENWARD_VERIFIER", "http://127.0.0.1:8480").removeprefix("http://")
    checks = verifier_grpc.VerifierServiceStub(grpc.insecure_channel(verifier_at))

    minted = tokens.CreateToken(
        token.CreateTokenRequest(
            # A repeat of this call within ten minutes gives the same token, not a second one.
            request_id=str(uuid.uuid4()),
            owner_name="ada",
            name=f"example {uuid.uuid4().hex}",
            role=token.ROLE_READ,
        ),
        metadata=as_operator,
        timeout=10,
    )
    print(f"minted   token {minted.token.id}")

    model = verifier.RepoRef(kind=directory.REPO_KIND_MODEL, name="acme/secret-70b")
    question = verifier.CheckRequest(
        token=minted.secret,
        resource=verifier.Resource(repo=model),
        permission="repo.content.read",
    )

    def check(revision):
        # Judged by a view that knows at least this revision.
        question.min_revision = revision
        answer = checks.Check(question, timeout=10)
        if answer.verdict == verifier.VERDICT_ALLOW:
            print("check    ALLOW")
        else:
            reason = verifier.Reason.Name(answer.reason).removeprefix("REASON_").lower()
            print(f"check    DENY {reason}")

    retried(lambda: check(minted.revision))
    request = token.RevokeTokenRequest(token_id=minted.token.id)
    request.wait.FromSeconds(10)
    revoked = tokens.RevokeToken(request, metadata=as_operator, timeout=20)
    everywhere = "yes" if revoked.receipt.complete else "not yet"
    print(f"revoked  token {minted.token.id}, refused by all verifiers: {everywhere}")
    retried(lambda: check(revoked.revision))


def retried(call, times=50):
    """UNAVAILABLE is no answer: the verifier's view is behind, or too old."""
    for left in reversed(range(times)):
        try:
            return call()
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE or not left:
                raise
            time.sleep(0.1)


if __name__ == "__main__":
    main()
