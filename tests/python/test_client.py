"""Tokenward as its users' programs see it: the published .proto files and a Python gRPC client."""

import queue
import time
import uuid

import grpc
import pytest

SECRET_MODEL = "acme/secret-70b"
GATED_MODEL = "acme/gated-8b"


@pytest.fixture
def mint(stubs, tokens):
    """A new token of ada's unless said otherwise."""

    def make(**fields):
        fields.setdefault("owner_name", "ada")
        fields.setdefault("name", f"python {uuid.uuid4().hex}")
        fields.setdefault("role", stubs.token.ROLE_READ)
        return tokens.CreateToken(stubs.token.CreateTokenRequest(**fields))

    return make


def refused(call):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code(), caught.value.details()


def test_a_token_from_mint_to_revocation(stubs, tokens, mint, check):
    verdicts, reasons = stubs.verifier, stubs.verifier
    made = mint()
    assert made.secret.startswith("tw_")
    assert made.token.last_four == made.secret[-4:]
    assert made.token.state == stubs.token.TOKEN_STATE_ACTIVE
    answer = check(made.secret, SECRET_MODEL, revision=made.revision)
    assert answer.verdict == verdicts.VERDICT_ALLOW
    assert answer.principal.owner_id == "u-ada"
    assert answer.principal.token_id == made.token.id
    # What the owner may not do, the token may not.
    answer = check(made.secret, SECRET_MODEL, "repo.write")
    assert answer.reason == reasons.REASON_OWNER_ROLE

    revoked = tokens.RevokeToken(stubs.token.RevokeTokenRequest(token_id=made.token.id))
    assert revoked.token.state == stubs.token.TOKEN_STATE_REVOKED
    answer = check(made.secret, SECRET_MODEL, revision=revoked.revision)
    assert answer.verdict == verdicts.VERDICT_DENY
    assert answer.reason == reasons.REASON_TOKEN_REVOKED
    assert "revoked" in answer.message
    assert not answer.HasField("principal")
    shown = tokens.GetToken(stubs.token.GetTokenRequest(token_id=made.token.id)).token
    # Who reads about a token is told its owner's name as it is now.
    assert shown.owner_name == "ada"
    shown.ClearField("owner_name")
    # The verifier tells of the token's use meanwhile.
    shown.ClearField("last_used_time")
    revoked.token.ClearField("last_used_time")
    assert shown == revoked.token


def test_a_gate_says_what_is_missing(stubs, directory, mint, check):
    reasons = stubs.verifier
    linus = mint(owner_name="linus")
    fine = mint(owner_name="linus", role=stubs.token.ROLE_FINE_GRAINED)
    assert check(linus.secret, GATED_MODEL, revision=fine.revision).verdict == reasons.VERDICT_ALLOW
    answer = check(fine.secret, GATED_MODEL)
    assert answer.reason == reasons.REASON_TOKEN_GATED_FLAG
    assert "gated" in answer.message
    states = {
        stubs.directory.GRANT_STATE_PENDING: reasons.REASON_GATE_PENDING,
        stubs.directory.GRANT_STATE_REJECTED: reasons.REASON_GATE_REJECTED,
        stubs.directory.GRANT_STATE_ACCEPTED: reasons.REASON_UNSPECIFIED,
    }
    for state, reason in states.items():
        grant = stubs.directory.GateGrant(repo_id="m-gated", user_id="u-linus", state=state)
        operation = stubs.directory.Operation(put_gate_grant=grant)
        written = directory.Write(stubs.directory.WriteRequest(operations=[operation]))
        answer = check(linus.secret, GATED_MODEL, revision=written.revision)
        assert answer.reason == reason
    assert check(None, GATED_MODEL).reason == reasons.REASON_LOGIN_REQUIRED


def test_what_may_not_be_seen_does_not_exist(stubs, mint, check):
    linus = mint(owner_name="linus")
    hidden = check(linus.secret, SECRET_MODEL, revision=linus.revision)
    missing = check(linus.secret, "acme/missing", revision=linus.revision)
    assert hidden.reason == stubs.verifier.REASON_NOT_FOUND
    assert (hidden.reason, hidden.message) == (missing.reason, missing.message)
    assert hidden.principal == missing.principal


def test_errors_name_field_and_rule(stubs, dev, tokens, mint, check, verifier):
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    cases = [
        (lambda: mint(name=""), invalid, "name: must be 1 to 100 characters"),
        (lambda: mint(role=0), invalid, "role: must be fine-grained, read or write"),
        (lambda: mint(owner_id="u-ada"), invalid, "owner_id: set owner_id or owner_name, not both"),
        (lambda: mint(owner_name="nobody"), grpc.StatusCode.NOT_FOUND, "owner: there is no such user"),
        (lambda: mint(name="dev"), grpc.StatusCode.ALREADY_EXISTS, "name: is a live token's"),
        (lambda: check("", SECRET_MODEL), invalid, "token: must not be empty"),
        (lambda: check(None, "no-owner"), invalid, "resource.repo.name: must be owner/name"),
        (lambda: check(None, SECRET_MODEL, "repo.fly"), invalid, "permission: must be"),
        (lambda: verifier.Check(stubs.verifier.CheckRequest()), invalid, "caller: must be"),
    ]
    for call, code, text in cases:
        got, details = refused(call)
        assert got == code
        assert details.startswith(text), details


def test_callers_are_operators(stubs, dev, mint):
    made = mint()
    plain = grpc.insecure_channel(dev["issuer"].removeprefix("http://"))
    stranger = stubs.token_grpc.TokenServiceStub(plain)
    request = stubs.token.ListTokensRequest(owner_name="ada")
    code, details = refused(lambda: stranger.ListTokens(request))
    assert code == grpc.StatusCode.UNAUTHENTICATED
    bearer = (("authorization", f"Bearer {made.secret}"),)
    code, details = refused(lambda: stranger.ListTokens(request, metadata=bearer))
    assert code == grpc.StatusCode.UNAUTHENTICATED
    assert "a token can't mint" in details
    assert made.secret not in details


def test_a_repeat_gives_the_same_token(stubs, mint):
    fields = {"request_id": uuid.uuid4().hex, "name": f"once {uuid.uuid4().hex}"}
    first, again = mint(**fields), mint(**fields)
    assert again.token == first.token
    assert again.secret == first.secret
    code, details = refused(lambda: mint(**fields | {"name": "another"}))
    assert code == grpc.StatusCode.ALREADY_EXISTS
    assert details.startswith("request_id: ")


def test_an_expired_token_is_refused(stubs, mint, check):
    request = stubs.token.CreateTokenRequest()
    request.expire_time.FromSeconds(int(time.time()) + 2)
    made = mint(expire_time=request.expire_time)
    end = time.monotonic() + 20
    reason = None
    while reason != stubs.verifier.REASON_TOKEN_EXPIRED:
        assert time.monotonic() < end
        reason = check(made.secret, SECRET_MODEL, revision=made.revision).reason
        time.sleep(0.02)


def test_pages_hold_every_token_once(stubs, tokens, mint):
    made = [mint(owner_name="grace").token.id for _ in range(7)]
    tokens.RevokeToken(stubs.token.RevokeTokenRequest(token_id=made[3]))
    for ended, expected in ((False, made[:3] + made[4:]), (True, made)):
        listed, page = [], ""
        while True:
            request = stubs.token.ListTokensRequest(
                owner_name="grace", page_size=2, page_token=page, include_ended=ended
            )
            answer = tokens.ListTokens(request)
            assert len(answer.tokens) <= 2
            listed += [token.id for token in answer.tokens]
            page = answer.next_page_token
            if not page:
                break
        assert listed == expected


def test_an_import_is_a_conversation(stubs, directory, operator, mint, check):
    """Each batch is answered by itself before the next is sent; a refused one ends nothing."""
    messages = stubs.directory
    tag = uuid.uuid4().hex[:8]
    batches = queue.SimpleQueue()
    answers = directory.Import(iter(batches.get, None), metadata=operator[1])

    def send(number, *operations):
        batches.put(messages.ImportRequest(batch=number, operations=operations))
        answer = next(answers)
        assert answer.batch == number
        return answer

    user = messages.User(id=f"u-{tag}", name=f"user-{tag}")
    assert send(1, messages.Operation(put_user=user)).revision
    nobody = messages.Member(org_id="o-acme", user_id="u-nobody", role=messages.ORG_ROLE_READ)
    refusal = send(2, messages.Operation(put_member=nobody))
    assert refusal.revision == ""
    assert refusal.error == "operations[0].put_member.user_id: there is no such user"
    # Builds on the first, which was acknowledged a moment ago.
    member = messages.Member(org_id="o-acme", user_id=user.id, role=messages.ORG_ROLE_READ)
    written = send(3, messages.Operation(put_member=member))
    batches.put(None)
    assert list(answers) == []

    made = mint(owner_name=user.name)
    assert check(made.secret, SECRET_MODEL, revision=made.revision).verdict == stubs.verifier.VERDICT_ALLOW
    key = messages.MemberKey(org_id="o-acme", user_id=user.id)
    operation = messages.Operation(delete_member=key)
    left = directory.Write(messages.WriteRequest(operations=[operation]))
    assert written.revision != left.revision
    answer = check(made.secret, SECRET_MODEL, revision=left.revision)
    assert answer.reason == stubs.verifier.REASON_NOT_FOUND
