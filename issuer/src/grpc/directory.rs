//! `DirectoryService`.

use tokenward_proto::v1 as pb;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request as Call, Response, Status, Streaming, async_trait};

use super::{Door, import};
use crate::{caller::DIRECTORY, directory::Directory, error::Problem, request::Request};

#[derive(Clone)]
pub struct DirectoryGrpc {
    pub door: Door,
    pub directory: Directory,
}

impl DirectoryGrpc {
    async fn write_batch(
        &self,
        call: Call<pb::WriteRequest>,
    ) -> Result<pb::WriteResponse, Problem> {
        let caller = self.door.caller(&call, DIRECTORY)?;
        let mut body = call.into_inner();
        let id = std::mem::take(&mut body.request_id);
        let now = self.door.clock.unix();
        let request = Request::new(caller, "DirectoryService/Write", id, &body, now)?;
        let cursor = self.directory.write(&request, body.operations).await?;
        Ok(pb::WriteResponse {
            revision: cursor.token(),
        })
    }
}

#[async_trait]
impl pb::directory_service_server::DirectoryService for DirectoryGrpc {
    async fn write(
        &self,
        call: Call<pb::WriteRequest>,
    ) -> Result<Response<pb::WriteResponse>, Status> {
        let result = self.write_batch(call).await;
        self.door.answer("Write", result)
    }

    type ImportStream = ReceiverStream<Result<pb::ImportResponse, Status>>;

    async fn import(
        &self,
        call: Call<Streaming<pb::ImportRequest>>,
    ) -> Result<Response<Self::ImportStream>, Status> {
        let caller = self.door.caller(&call, DIRECTORY);
        let caller = self.door.answer("Import", caller)?.into_inner();
        let answers = import::start(
            self.door.clone(),
            self.directory.clone(),
            caller,
            call.into_inner(),
        );
        Ok(Response::new(answers))
    }

    async fn get(&self, _: Call<pb::GetRequest>) -> Result<Response<pb::GetResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    async fn list(&self, _: Call<pb::ListRequest>) -> Result<Response<pb::ListResponse>, Status> {
        Err(Status::unimplemented("not yet"))
    }

    type ExportStream = ReceiverStream<Result<pb::ExportResponse, Status>>;

    async fn export(
        &self,
        _: Call<pb::ExportRequest>,
    ) -> Result<Response<Self::ExportStream>, Status> {
        Err(Status::unimplemented("not yet"))
    }
}
