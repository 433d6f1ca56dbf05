//! The transfers that claims and labs rest on.

use maud::Markup;

use super::{Words, picture};
use crate::result::{picture::bars::Placed, transfer::TransferReport};

/// What a transfer is called.
pub(super) fn label(transfer: &TransferReport, words: &Words) -> String {
    format!("{} ({})", transfer.style, (words.how)(transfer.how))
}

/// Its picture, if there is anything to draw; `base` is its place in the JSON, `id` its own in the page.
pub(super) fn transfer(
    transfer: &TransferReport,
    base: &str,
    id: &str,
    words: &Words,
) -> Option<Markup> {
    let way = transfer.picture(base)?;
    Some(picture(&way, id, &label(transfer, words), words))
}

/// For bars of all of them, that at `at` being at `base`/`at` in the JSON.
pub(super) fn placed<'a>(
    transfers: &'a [TransferReport],
    base: &str,
    words: &Words,
) -> impl Iterator<Item = Placed<'a>> {
    transfers.iter().enumerate().map(move |(at, transfer)| Placed {
        label: label(transfer, words),
        run: &transfer.run,
        base: format!("{base}/{at}"),
    })
}
