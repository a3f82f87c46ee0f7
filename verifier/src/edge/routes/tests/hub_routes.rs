//! Tests every row of the hub's table.

use super::*;

#[test]
fn each_route_of_the_hub_takes_what_it_should() {
    const PR: &str = "Model:a/b repo.content.read & Model:a/b discussion.write";
    let table = hub();
    let rows = [
        ("GET /api/whoami-v2", "Identity"),
        ("HEAD /api/whoami-v2", "Identity"),
        ("GET /api/agent-harnesses", "Open"),
        ("POST /api/credentials/revoke", "Open"),
        ("POST /api/validate-yaml", "Open"),
        ("POST /oauth/token", "Open"),
        ("GET /api/models", "Visitor"),
        ("GET /api/datasets?search=x&limit=5", "Visitor"),
        // These routes read metadata.
        ("GET /api/models/a/b", "Model:a/b repo.metadata.read"),
        ("HEAD /api/models/a/b", "Model:a/b repo.metadata.read"),
        (
            "GET /api/datasets/a/b/revision/main",
            "Dataset:a/b repo.metadata.read",
        ),
        (
            "GET /api/spaces/a/b/tree/main?recursive=true&expand=false",
            "Space:a/b repo.metadata.read",
        ),
        (
            "GET /api/kernels/a/b/tree/refs%2Fpr%2F1/x%2Fy",
            "Kernel:a/b repo.metadata.read",
        ),
        ("GET /api/models/a/b/refs", "Model:a/b repo.metadata.read"),
        (
            "GET /api/models/a/b/compare/main..dev",
            "Model:a/b repo.metadata.read",
        ),
        (
            "POST /api/models/a/b/paths-info/main",
            "Model:a/b repo.metadata.read",
        ),
        // These routes read content.
        (
            "GET /a/b/resolve/main/config.json",
            "Model:a/b repo.content.read",
        ),
        (
            "HEAD /a/b/resolve/main/config.json",
            "Model:a/b repo.content.read",
        ),
        (
            "GET /datasets/a/b/resolve/refs%2Fconvert%2Fparquet/x/y.parquet",
            "Dataset:a/b repo.content.read",
        ),
        (
            "GET /spaces/a/b/raw/main/app.py",
            "Space:a/b repo.content.read",
        ),
        (
            "GET /api/resolve-cache/models/a/b/0123/x/y",
            "Model:a/b repo.content.read",
        ),
        (
            "GET /api/models/a/b/auth-check",
            "Model:a/b repo.content.read",
        ),
        (
            "GET /api/datasets/a/b/auth-check/write",
            "Dataset:a/b repo.content.write",
        ),
        (
            "GET /api/models/a/b/xet-read-token/main",
            "Model:a/b repo.content.read",
        ),
        (
            "GET /api/models/a/b/xet-write-token/main",
            "Model:a/b repo.content.write",
        ),
        ("GET /api/models/a/b/xet-write-token/None?create_pr=1", PR),
        ("GET /api/models/a/b/jwt", "Model:a/b repo.content.read"),
        (
            "GET /api/models/a/b/jwt?write",
            "Model:a/b repo.content.write",
        ),
        (
            "GET /api/models/a/b/jwt?write=false",
            "Model:a/b repo.content.write",
        ),
        // These routes make commits.
        (
            "POST /api/models/a/b/preupload/main",
            "Model:a/b repo.content.write",
        ),
        ("POST /api/models/a/b/preupload/main?create_pr=1", PR),
        (
            "POST /api/models/a/b/commit/main",
            "Model:a/b repo.content.write",
        ),
        ("POST /api/models/a/b/commit/main?create_pr=1", PR),
        (
            "POST /api/models/a/b/commit/main?create_pr=0",
            "Model:a/b repo.content.write",
        ),
        (
            "POST /api/models/a/b/commit/main?create_pr",
            "Model:a/b repo.content.write",
        ),
        (
            "POST /api/models/a/b/commit/main?create_pr=1&create_pr=0",
            "Target(Parameter)",
        ),
        (
            "POST /api/models/a/b/commit/main?create_pr[]=1",
            "Target(Parameter)",
        ),
        (
            "GET /Acme/LLM/resolve/Main/README.md",
            "Model:Acme/LLM repo.content.read",
        ),
        (
            "POST /api/models/Acme/LLM/discussions/3/comment/Ab1/edit",
            "Model:Acme/LLM discussion.write",
        ),
        ("GET /api/models/a/b/commit/main", "Unknown"),
        (
            "DELETE /api/models/a/b/branch/x%2Fy",
            "Model:a/b repo.write",
        ),
        ("PUT /api/models/a/b/settings", "Model:a/b repo.write"),
        ("GET /api/spaces/a/b/secrets", "Space:a/b repo.write"),
        ("GET /api/models/a/b/secrets", "Unknown"),
        (
            "GET /api/models/a/b/user-access-request/pending",
            "Model:a/b repo.access.read",
        ),
        (
            "POST /api/models/a/b/user-access-request/grant",
            "Model:a/b repo.write",
        ),
        (
            "GET /api/models/a/b/discussions/3",
            "Model:a/b repo.metadata.read",
        ),
        (
            "POST /api/models/a/b/discussions/3/comment",
            "Model:a/b discussion.write",
        ),
        (
            "POST /api/models/a/b/discussions/3/merge",
            "Model:a/b repo.write",
        ),
        ("POST /a/b/ask-access", "Unknown"),
        // These are the other routes.
        (
            "GET /api/collections/a/b-123",
            "Collection:a/b-123 collection.read",
        ),
        (
            "DELETE /api/collections/a/b-123/items/9",
            "Collection:a/b-123 collection.write",
        ),
        (
            "GET /api/buckets/a/b/tree/x",
            "Bucket:a/b repo.content.read",
        ),
        (
            "GET /buckets/a/b/resolve/x/y",
            "Bucket:a/b repo.content.read",
        ),
        ("POST /api/buckets/a/b/batch", "Bucket:a/b repo.write"),
        ("POST /api/buckets/a/b", "@a repo.write"),
        ("GET /api/settings/webhooks", "own user.webhooks.read"),
        (
            "POST /api/settings/webhooks/1/disable",
            "own user.webhooks.write",
        ),
        ("GET /api/organizations/acme/members", "@acme org.read"),
        (
            "PUT /api/organizations/acme/members/bob/role",
            "@acme org.write",
        ),
        (
            "GET /api/organizations/acme/settings/tokens",
            "@acme org.write",
        ),
        (
            "POST /api/organizations/acme/settings/tokens/revoke",
            "@acme org.write",
        ),
        ("POST /api/jobs/acme", "@acme job.write"),
        ("GET /api/jobs/acme/1/logs", "@acme job.read"),
        (
            "POST /api/inference-endpoints/acme/auth-check/read",
            "@acme inference.endpoints.read",
        ),
        (
            "POST /api/inference-endpoints/acme/ep/auth-check/infer",
            "Endpoint:acme/ep inference.endpoints.infer.write",
        ),
        (
            "PUT /v2/endpoint/acme/ep",
            "Endpoint:acme/ep inference.endpoints.write",
        ),
        // These are the routes of git.
        (
            "GET /a/b/info/refs?service=git-upload-pack",
            "Model:a/b repo.content.read",
        ),
        (
            "GET /a/b.git/info/refs?service=git-upload-pack",
            "Model:a/b repo.content.read",
        ),
        (
            "GET /datasets/a/b.git/info/refs?service=git-receive-pack",
            "Dataset:a/b repo.content.write",
        ),
        ("GET /a/b/info/refs", "Unknown"),
        (
            "GET /a/b/info/refs?service=git-upload-archive",
            "Model:a/b repo.content.read",
        ),
        (
            "GET /a/b/info/refs?service=git-upload-pack&service=git-receive-pack",
            "Target(Parameter)",
        ),
        (
            "POST /a/b.git/git-upload-pack",
            "Model:a/b repo.content.read",
        ),
        ("POST /a/b/git-receive-pack", "Model:a/b repo.content.write"),
        ("GET /a/b/git-receive-pack", "Unknown"),
        ("GET /a/b.git/info/lfs/locks", "Model:a/b repo.content.read"),
        (
            "POST /a/b.git/info/lfs/locks/verify",
            "Model:a/b repo.content.write",
        ),
        (
            "POST /a/b.git/info/lfs/verify",
            "Model:a/b repo.content.write",
        ),
        // Only git's routes remove the suffix.
        (
            "GET /a/b.git/resolve/main/x",
            "Model:a/b.git repo.content.read",
        ),
        // These are the routes of inference.
        ("GET /v1/models", "Visitor"),
        ("GET /v1/models/a/b", "Visitor"),
        ("GET /v1/models/a%2Fb", "Visitor"),
        (
            "POST /v1/chat/completions",
            "own inference.serverless.write",
        ),
        (
            "POST /cerebras/v1/chat/completions",
            "own inference.serverless.write",
        ),
        (
            "POST /hf-inference/models/a/b",
            "own inference.serverless.write & Model:a/b repo.metadata.read",
        ),
        (
            "POST /hf-inference/models/a/b/pipeline/feature-extraction",
            "own inference.serverless.write & Model:a/b repo.metadata.read",
        ),
        // These repos are from before repos had owners.
        ("GET /api/models/gpt2", "Model:/gpt2 repo.metadata.read"),
        (
            "GET /api/models/gpt2/revision/main",
            "Model:/gpt2 repo.metadata.read",
        ),
        (
            "GET /gpt2/resolve/main/config.json",
            "Model:/gpt2 repo.content.read",
        ),
        (
            "GET /datasets/squad/resolve/main/x",
            "Dataset:/squad repo.content.read",
        ),
        (
            "POST /gpt2.git/git-upload-pack",
            "Model:/gpt2 repo.content.read",
        ),
    ];
    for (row, expected) in rows {
        let (method, target) = row.split_once(' ').unwrap();
        let route = table.find(&asked(method, target, Body::Absent));
        assert_eq!(told(route), expected, "{row}");
    }
}
