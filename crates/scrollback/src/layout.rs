//! The layout of a ring's memory, version 1: the content of a `memfd` or a file, for other tools and for later versions.
//!
//! A ring in a process's own memory has the same layout, so that it can be found in a memory dump.
//!
//! This module has no items. [`RingOptions::create_memfd`](crate::RingOptions::create_memfd) and
//! [`create_in`](crate::RingOptions::create_in) write it, [`Scrollback::load`](crate::Scrollback::load),
//! [`map`](crate::Scrollback::map) and [`RingOptions::adopt`](crate::RingOptions::adopt) read it.
//!
//! All numbers are 64-bit words in the byte order of the machine that wrote them. The magic number shows the order: on a little-endian
//! machine its bytes are the text `vuartrng`.
//!
//! | byte | word | |
//! |---|---|---|
//! | 0 | `magic` | `0x676E_7274_7261_7576`; written last when a ring is made |
//! | 8 | `version` | 1 |
//! | 16 | `capacity` | *C*, in bytes: a power of two from 4 KiB to 1 GiB |
//! | 24 | `head` | the number of bytes that are kept of each boot, a multiple of 8 up to 1 GiB; 0 for none |
//! | 32 | `origin` | the offset of the first byte ever written here, at most 2^63 |
//! | 128 | `tail` | the offset one past the newest byte |
//! | 136 | `intent` | the offset up to which cells may have been written |
//! | 144 | `boot` | the offset at which the newest boot began ([`Writer::mark`](crate::Writer::mark)) |
//! | 152 | `kept` | the offset up to which the boot head holds that boot |
//! | 4096 | the cells | *C* bytes: the byte with the offset *o* is at 4096 + *o* mod *C* on a little-endian machine; on any machine it is in the bits 8 × (*o* mod 8) and up of the word at 4096 + (*o* − *o* mod 8) mod *C* |
//! | 4096 + *C* | the boot head | if `head` is not 0, `head` + 8 bytes: the word of the byte with the offset *o* is the (⌊*o*/8⌋ − ⌊`boot`/8⌋)th |
//!
//! The other bytes of the first 4096 are 0, and reserved for later versions. The file has nothing after the table's last row. The granule
//! *G*, the unit of `intent`, is not stored: it is 4096, or *C* / 16 if that is less.
//!
//! # Reading it
//!
//! In a file without a writer, the bytes `max(intent - C, origin)..tail` are in the cells, and the bytes `boot..kept` are in the boot head,
//! if `boot < kept`. Read a file with a writer as [`protocol`](crate::protocol) says, with loads of whole words and the fences there.
//! Nothing else shows that a byte was not overwritten during the read.
//!
//! Another process may have written any word. This crate checks the header once, and no word of it can lead a read out of the cells or the
//! buffer.
//!
//! # Going on with it
//!
//! The next writer ([`adopt`](crate::RingOptions::adopt)) continues at `tail`. Bytes beyond it, of at most one
//! [`push`](crate::Writer::push) or one step of an [`extend`](crate::Writer::extend), were never readable, and are overwritten.

#[cfg(feature = "std")]
use vuart_mapping::PAGE;

#[cfg(feature = "std")]
use crate::LayoutError;
use crate::geometry::Geometry;

pub(crate) const MAGIC: usize = 0;
const VERSION: usize = 1;
const CAPACITY: usize = 2;
const HEAD: usize = 3;
const ORIGIN: usize = 4;

/// The writer's words have a pair of cache lines for themselves. The adjacent-line prefetcher of x86 fetches lines in pairs, and words that
/// readers load once must not travel with words that the writer stores.
pub(crate) const TAIL: usize = 16;
pub(crate) const INTENT: usize = 17;
pub(crate) const BOOT: usize = 18;
pub(crate) const KEPT: usize = 19;

/// The words before [`TAIL`], which never change.
pub(crate) const FIXED: usize = 5;

pub(crate) const MAGIC_NUMBER: u64 = u64::from_le_bytes(*b"vuartrng");
const VERSION_NUMBER: u64 = 1;

impl Geometry {
    /// The length of the file, in bytes.
    #[cfg(feature = "std")]
    pub(crate) fn file_len(&self) -> u64 {
        (PAGE + self.body()) as u64
    }

    /// The first words of the header, with the magic number.
    pub(crate) fn to_words(self) -> [u64; FIXED] {
        let mut words = [0; FIXED];
        words[MAGIC] = MAGIC_NUMBER;
        words[VERSION] = VERSION_NUMBER;
        words[CAPACITY] = self.capacity as u64;
        words[HEAD] = self.head as u64;
        words[ORIGIN] = self.origin;
        words
    }

    /// Reads the geometry from the first words of a file of `len` bytes.
    #[cfg(feature = "std")]
    pub(crate) fn from_words(words: [u64; FIXED], len: u64) -> Result<Self, LayoutError> {
        if words[MAGIC].swap_bytes() == MAGIC_NUMBER {
            return Err(LayoutError::ByteOrder);
        }
        if words[MAGIC] != MAGIC_NUMBER {
            return Err(LayoutError::NotARing);
        }
        if words[VERSION] != VERSION_NUMBER {
            return Err(LayoutError::Version { version: words[VERSION] });
        }
        // A number that does not fit is too large.
        let size = |word: usize| usize::try_from(words[word]).unwrap_or(usize::MAX);
        let geometry = Self::new(size(CAPACITY), size(HEAD), words[ORIGIN])?;
        if geometry.to_words() != words {
            return Err(LayoutError::BootHead { head: words[HEAD] });
        }
        if geometry.file_len() != len {
            return Err(LayoutError::Length { expected: geometry.file_len(), found: len });
        }
        Ok(geometry)
    }
}
