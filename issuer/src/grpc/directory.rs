//! `DirectoryService` writes, imports, reads and exports the directory. It decides nothing.

use std::{mem::take, sync::Arc};

use tokenward_common::state::public::record_to_message;
use tokenward_proto::v1 as pb;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::{
    authenticator::{AdmittedCall, Authenticator, serve},
    export, import,
    tokens::page_size,
};
use crate::{
    directory::{
        Directory,
        ask::{self, PageToken},
    },
    error::Problem,
    pace::Pace,
};

#[derive(Clone)]
pub struct DirectoryGrpc {
    pub authenticator: Authenticator,
    pub directory: Directory,
    pub pace: Arc<Pace>,
}

type Answers<T> = ReceiverStream<Result<T, Status>>;

impl DirectoryGrpc {
    async fn write_batch(
        &self,
        call: AdmittedCall,
        mut body: pb::WriteRequest,
    ) -> Result<pb::WriteResponse, Problem> {
        let id = take(&mut body.request_id);
        let request = self.authenticator.request(&call, id, &body)?;
        let cursor = self.directory.write(&request, body.operations).await?;
        Ok(pb::WriteResponse {
            revision: cursor.token(),
        })
    }

    async fn begin_import(
        &self,
        call: AdmittedCall,
        batches: Streaming<pb::ImportRequest>,
    ) -> Result<Answers<pb::ImportResponse>, Problem> {
        let (authenticator, directory) = (self.authenticator.clone(), self.directory.clone());
        let pace = Arc::clone(&self.pace);
        Ok(import::start(authenticator, directory, pace, call, batches))
    }

    async fn record(
        &self,
        _: AdmittedCall,
        body: pb::GetRequest,
    ) -> Result<pb::GetResponse, Problem> {
        let named = ask::named(body.key)?;
        let (record, cursor) = self.directory.record(&named).await?;
        Ok(pb::GetResponse {
            record: record_to_message(record),
            revision: cursor.token(),
        })
    }

    async fn page(
        &self,
        _: AdmittedCall,
        body: pb::ListRequest,
    ) -> Result<pb::ListResponse, Problem> {
        let selection = ask::selection(&body)?;
        let limit = page_size(body.page_size)?;
        let from = PageToken::parse(&body)?;
        let listed = self.directory.list(selection, from, limit).await?;
        let next = listed.next.map(|next| next.text(&body));
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
        _: AdmittedCall,
        body: pb::ExportRequest,
    ) -> Result<Answers<pb::ExportResponse>, Problem> {
        let selections = ask::selections(&body.kinds)?;
        let export = self.directory.export(selections).await?;
        Ok(export::start(export))
    }
}

serve! {
    pb::directory_service_server::DirectoryService, by DirectoryGrpc,
    ImportStream = Answers<pb::ImportResponse>, ExportStream = Answers<pb::ExportResponse> => {
        write(pb::WriteRequest) -> pb::WriteResponse = Write by write_batch;
        import(Streaming<pb::ImportRequest>) -> Self::ImportStream = Import by begin_import;
        get(pb::GetRequest) -> pb::GetResponse = Get by record;
        list(pb::ListRequest) -> pb::ListResponse = List by page;
        export(pb::ExportRequest) -> Self::ExportStream = Export by begin_export;
    }
}
