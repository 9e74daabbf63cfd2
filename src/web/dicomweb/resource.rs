//! What a path names, looked up within the caller's scope.

use super::super::{Answer, App, Problem};
use super::Of;
use crate::domain::InstanceId;
use crate::index::Scope;
use crate::index::dicomweb::{self, Named, NamedInstance};

/// Instances looked up at a time while a study is sent.
const BATCH: i64 = 200;

impl Of {
    pub fn named(&self) -> Named<'_> {
        Named {
            study: self.study.as_deref().unwrap_or_default(),
            series: self.series.as_deref(),
            instance: self.instance.as_deref(),
        }
    }
}

/// The first instance of what a path names; nothing within the caller's scope is not found.
pub async fn first(app: &App, scope: Scope, of: &Of) -> Answer<NamedInstance> {
    let mut tx = app.db.read().await?;
    let found = dicomweb::named(&mut tx, scope, of.named(), InstanceId(0), 1).await?;
    found.into_iter().next().ok_or(Problem::not_found())
}

/// The next instances after `after`; none: that was the last.
pub async fn batch(
    app: &App,
    scope: Scope,
    of: &Of,
    after: InstanceId,
) -> crate::index::Result<Option<Vec<NamedInstance>>> {
    let found = dicomweb::named(&mut app.db.read().await?, scope, of.named(), after, BATCH).await?;
    Ok((!found.is_empty()).then_some(found))
}
