//! A running issuer and its clients.

use std::process::Command;

use tokenward_proto::v1::{
    CreateTokenRequest, CreateTokenResponse, ListTokensRequest, ListTokensResponse, Operation,
    RevokeTokenRequest, RevokeTokenResponse, Role, Token, WriteRequest, WriteResponse,
    audit_service_client::AuditServiceClient, directory_service_client::DirectoryServiceClient,
    key_service_client::KeyServiceClient, org_token_service_client::OrgTokenServiceClient,
    token_service_client::TokenServiceClient,
};
use tonic::{
    Request, Status,
    metadata::AsciiMetadataValue,
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::{House, Program, build::ISSUER, http, level, program, tls};

/// Adds a caller's credential to every call.
#[derive(Clone)]
pub struct Bearer(Option<AsciiMetadataValue>);

impl Interceptor for Bearer {
    fn call(&mut self, mut call: Request<()>) -> Result<Request<()>, Status> {
        if let Some(bearer) = &self.0 {
            call.metadata_mut().insert("authorization", bearer.clone());
        }
        Ok(call)
    }
}

/// A caller of one issuer.
#[derive(Clone)]
pub struct Client {
    pub tokens: TokenServiceClient<InterceptedService<Channel, Bearer>>,
    pub directory: DirectoryServiceClient<InterceptedService<Channel, Bearer>>,
    pub keys: KeyServiceClient<InterceptedService<Channel, Bearer>>,
    pub audit: AuditServiceClient<InterceptedService<Channel, Bearer>>,
    pub orgs: OrgTokenServiceClient<InterceptedService<Channel, Bearer>>,
    house: House,
}

/// A new token.
#[derive(Clone, Debug)]
pub struct Minted {
    pub id: String,
    pub secret: String,
    pub revision: String,
}

pub struct Issuer {
    pub program: Program,
    pub address: String,
    pub http: String,
    pub admin: String,
    house: House,
    channel: Channel,
    operator: Client,
}

impl Issuer {
    pub(super) async fn start(house: &House, more: &[&str]) -> Self {
        let any = house.any_port();
        let program = Self::spawn(house, [&any, &any, &any], more);
        let serving = program.event("serving");
        let at = |name: &str| serving[name].as_str().expect(name).to_owned();
        let address = at("listen");
        let channel = tls::channel(&address);
        let issuer = Self {
            program,
            http: at("http"),
            admin: at("admin"),
            address,
            operator: client(house, &channel, Some(&house.credential("hub"))),
            house: house.clone(),
            channel,
        };
        issuer.serving().await;
        // The file of the key set is replaced atomically, as a mounted file is.
        let jwks = house.path("jwks.json");
        if !jwks.exists() {
            let new = house.path("jwks.json.new");
            std::fs::write(&new, issuer.jwks()).expect("a file");
            std::fs::rename(new, jwks).expect("a file");
        }
        issuer
    }

    /// Returns the issuer's command with its settings, except those that a test sets itself.
    pub fn command(house: &House) -> Command {
        let mut command = Command::new(program("tokenward-issuer"));
        command
            .env("TOKENWARD_STORE", house.store())
            .args(["--realm", house.realm(), "--issuer", ISSUER])
            .args(["--log-format", "json", "--drain-delay", "0s"])
            .arg("--credentials")
            .arg(house.path("credentials.json"));
        house.set_store(&mut command);
        house.trace(&mut command);
        // A test that needs a key ring writes it before the start.
        let ring = house.path("ring.json");
        if ring.exists() {
            command.arg("--key-ring").arg(ring);
        } else {
            command.arg("--signing-key").arg(house.path("k1.pem"));
        }
        command
    }

    fn spawn(house: &House, listen: [&str; 3], more: &[&str]) -> Program {
        let mut command = Self::command(house);
        for (flag, address) in ["--listen", "--http-listen", "--admin-listen"]
            .iter()
            .zip(listen)
        {
            command.args([*flag, address]);
        }
        if house.first() {
            let made = house.make_realm();
            assert_eq!(made.code, Some(0), "{}", made.err);
        }
        command.args(more);
        Program::start(house.kept(), "issuer", house.limited(command))
    }

    /// Restarts the issuer at the same addresses. The old process must have ended.
    pub async fn restart(&mut self) {
        self.program = Self::spawn(&self.house, [&self.address, &self.http, &self.admin], &[]);
        self.program.event("serving");
        self.serving().await;
    }

    pub async fn serving(&self) {
        level("the issuer serves", async || {
            serves(&self.channel, "tokenward.v1.TokenService").await
        })
        .await;
    }

    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Returns a client that may do everything.
    pub fn operator(&self) -> Client {
        self.operator.clone()
    }

    /// Returns a client that sends this secret in `authorization: Bearer`. `None`: it sends no credential.
    pub fn caller(&self, secret: Option<&str>) -> Client {
        client(&self.house, &self.channel, secret)
    }

    pub fn jwks(&self) -> String {
        let (status, body) =
            http::get(&self.http, "/.well-known/jwks.json").expect("the keys are served");
        assert_eq!(status, 200, "{body}");
        body
    }

    pub async fn write(&self, operations: Vec<Operation>) -> String {
        let mut client = self.operator();
        let mut revision = String::new();
        for batch in operations.chunks(100) {
            let request = WriteRequest {
                request_id: String::new(),
                operations: batch.to_vec(),
            };
            revision = client.write(request).await.expect("written").revision;
        }
        revision
    }

    pub async fn mint(&self, owner_id: &str, name: &str, role: Role) -> Minted {
        self.mint_as(CreateTokenRequest {
            owner_id: owner_id.into(),
            name: name.into(),
            role: role.into(),
            ..CreateTokenRequest::default()
        })
        .await
    }

    pub async fn mint_as(&self, request: CreateTokenRequest) -> Minted {
        let made = self.operator().create(request).await.expect("minted");
        Minted {
            id: made.token.expect("a token").id,
            secret: made.secret,
            revision: made.revision,
        }
    }

    /// Revokes a token, and returns the revision to wait for.
    pub async fn revoke(&self, token_id: &str) -> String {
        let request = RevokeTokenRequest {
            request_id: String::new(),
            token_id: token_id.into(),
            ..Default::default()
        };
        let revoked = self.operator().revoke(request).await.expect("revoked");
        revoked.revision
    }

    /// Lists all tokens of an owner, ended ones too.
    pub async fn tokens(&self, owner_id: &str) -> Vec<Token> {
        let request = ListTokensRequest {
            owner_id: owner_id.into(),
            page_size: 1000,
            include_ended: true,
            ..ListTokensRequest::default()
        };
        self.operator().list(request).await.expect("listed").tokens
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        keep_metrics(&self.house, "issuer", &self.admin);
    }
}

pub(super) fn keep_metrics(house: &House, name: &str, admin: &str) {
    if let Some((_, body)) = http::get(admin, "/metrics") {
        house.kept().said(&format!("metrics of {name}"), body);
    }
}

/// Returns whether the server reports SERVING for this service.
pub(super) async fn serves(channel: &Channel, service: &str) -> Result<(), String> {
    let request = HealthCheckRequest {
        service: service.into(),
    };
    let answer = HealthClient::new(channel.clone()).check(request).await;
    match answer.map(|answer| answer.into_inner().status().as_str_name()) {
        Ok("SERVING") => Ok(()),
        Ok(other) => Err(other.into()),
        Err(status) => Err(status.to_string()),
    }
}

fn client(house: &House, channel: &Channel, secret: Option<&str>) -> Client {
    let bearer = Bearer(secret.map(|secret| format!("Bearer {secret}").parse().expect("text")));
    Client {
        tokens: TokenServiceClient::with_interceptor(channel.clone(), bearer.clone()),
        directory: DirectoryServiceClient::with_interceptor(channel.clone(), bearer.clone()),
        keys: KeyServiceClient::with_interceptor(channel.clone(), bearer.clone()),
        audit: AuditServiceClient::with_interceptor(channel.clone(), bearer.clone()),
        orgs: OrgTokenServiceClient::with_interceptor(channel.clone(), bearer),
        house: house.clone(),
    }
}

impl Client {
    pub(super) fn kept(&self, status: Status) -> Status {
        self.house.kept().status("an issuer's error", status)
    }

    pub(super) fn keep_secret(&self, secret: &str) {
        self.house.kept().secret(secret);
    }

    pub(super) fn keep_said(&self, place: &str, text: String) {
        self.house.kept().said(place, text);
    }

    pub async fn write(&mut self, request: WriteRequest) -> Result<WriteResponse, Status> {
        let answer = self.directory.write(request).await;
        answer.map(|it| it.into_inner()).map_err(|it| self.kept(it))
    }

    pub async fn create(
        &mut self,
        request: CreateTokenRequest,
    ) -> Result<CreateTokenResponse, Status> {
        let answer = self.tokens.create_token(request).await;
        let answer = answer
            .map(|it| it.into_inner())
            .map_err(|it| self.kept(it))?;
        if !answer.secret.is_empty() {
            self.house.kept().secret(&answer.secret);
        }
        Ok(answer)
    }

    pub async fn revoke(
        &mut self,
        request: RevokeTokenRequest,
    ) -> Result<RevokeTokenResponse, Status> {
        let answer = self.tokens.revoke_token(request).await;
        answer.map(|it| it.into_inner()).map_err(|it| self.kept(it))
    }

    pub async fn list(&mut self, request: ListTokensRequest) -> Result<ListTokensResponse, Status> {
        let answer = self.tokens.list_tokens(request).await;
        answer.map(|it| it.into_inner()).map_err(|it| self.kept(it))
    }
}
