//! `DirectoryService`.

use tokenward_common::state::public::record_to_message;
use tokenward_proto::v1::{self as pb, directory_service_server::DirectoryService as Service};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request as Call, Response, Status, Streaming, async_trait};

use super::{Door, export, import, tokens::page_size};
use crate::{
    caller::{DIRECTORY, SEE_DIRECTORY},
    directory::{
        Directory,
        ask::{self, PageToken},
    },
    error::Problem,
    request::Request,
};

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

    async fn record(&self, call: Call<pb::GetRequest>) -> Result<pb::GetResponse, Problem> {
        self.door.caller(&call, SEE_DIRECTORY)?;
        let named = ask::named(call.into_inner().key)?;
        let (record, cursor) = self.directory.record(&named).await?;
        Ok(pb::GetResponse {
            record: record_to_message(record),
            revision: cursor.token(),
        })
    }

    async fn page(&self, call: Call<pb::ListRequest>) -> Result<pb::ListResponse, Problem> {
        self.door.caller(&call, DIRECTORY)?;
        let request = call.into_inner();
        let selection = ask::selection(&request)?;
        let limit = page_size(request.page_size)?;
        let from = PageToken::parse(&request)?;
        let listed = self.directory.list(selection, from, limit).await?;
        let next = listed.next.map(|next| next.text(&request));
        Ok(pb::ListResponse {
            records: listed
                .records
                .into_iter()
                .filter_map(record_to_message)
                .collect(),
            next_page_token: next.unwrap_or_default(),
            revision: listed.cursor.token(),
        })
    }

    async fn begin_export(
        &self,
        call: Call<pb::ExportRequest>,
    ) -> Result<<Self as Service>::ExportStream, Problem> {
        self.door.caller(&call, DIRECTORY)?;
        let selections = ask::selections(&call.into_inner().kinds)?;
        let export = self.directory.export(selections).await?;
        Ok(export::start(export))
    }
}

#[async_trait]
impl Service for DirectoryGrpc {
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

    async fn get(&self, call: Call<pb::GetRequest>) -> Result<Response<pb::GetResponse>, Status> {
        let result = self.record(call).await;
        self.door.answer("Get", result)
    }

    async fn list(
        &self,
        call: Call<pb::ListRequest>,
    ) -> Result<Response<pb::ListResponse>, Status> {
        let result = self.page(call).await;
        self.door.answer("List", result)
    }

    type ExportStream = ReceiverStream<Result<pb::ExportResponse, Status>>;

    async fn export(
        &self,
        call: Call<pb::ExportRequest>,
    ) -> Result<Response<Self::ExportStream>, Status> {
        let result = self.begin_export(call).await;
        self.door.answer("Export", result)
    }
}
