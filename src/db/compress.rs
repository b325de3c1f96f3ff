//! The encodings of log chunks. Costs processor time: call it on the blocking pool.

use std::io::{self, Read, Write};

use super::DbError;

/// Bytes that one chunk may decode to. Stock writes chunks of any size; ours stay below 64 KiB.
pub const MAX_DECODED: u64 = 128 * 1024 * 1024;

/// Stored as it is.
pub const RAW: i64 = 0;
const GZ: i64 = 1;
const BZ2: i64 = 2;
const LZ4: i64 = 3;
const ZSTD: i64 = 4;
const BR: i64 = 5;

/// Encodes a chunk with the method named as in `logCompressionMethod`: `raw`, `gz`, `bz2`,
/// `lz4`, `zstd` or `br`. Answers the bytes and their code for `logchunks.compressed`; the data
/// stays raw when the method is unknown or does not make it smaller.
pub fn encode(method: &str, data: &[u8]) -> (Vec<u8>, i64) {
    let encoded = match method {
        "gz" => gz(data).map(|bytes| (bytes, GZ)),
        "bz2" => bz2(data).map(|bytes| (bytes, BZ2)),
        "lz4" => Ok((lz4_flex::block::compress_prepend_size(data), LZ4)),
        "zstd" => zstd::bulk::compress(data, 3).map(|bytes| (bytes, ZSTD)),
        "br" => br(data).map(|bytes| (bytes, BR)),
        _ => return (data.to_vec(), RAW),
    };
    match encoded {
        Ok((bytes, code)) if bytes.len() < data.len() => (bytes, code),
        _ => (data.to_vec(), RAW),
    }
}

/// Decodes the contents of a chunk.
///
/// # Errors
/// When the code is unknown, the data is damaged, or it decodes to more than [`MAX_DECODED`].
pub fn decode(code: i64, data: &[u8]) -> Result<Vec<u8>, DbError> {
    let decoded = match code {
        RAW => return Ok(data.to_vec()),
        GZ => limited(flate2::read::ZlibDecoder::new(data), MAX_DECODED),
        BZ2 => limited(bzip2::read::BzDecoder::new(data), MAX_DECODED),
        LZ4 => lz4(data),
        ZSTD => zstd::stream::read::Decoder::new(data)
            .and_then(|decoder| limited(decoder.single_frame(), MAX_DECODED)),
        BR => limited(brotli::Decompressor::new(data, 4096), MAX_DECODED),
        _ => return Err(DbError::Query(format!("a log chunk has the unknown encoding {code}"))),
    };
    decoded.map_err(|error| {
        DbError::Query(format!("a log chunk (encoding {code}) cannot be decoded: {error}"))
    })
}

fn gz(data: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(data)?;
    encoder.finish()
}

fn bz2(data: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    encoder.write_all(data)?;
    encoder.finish()
}

fn br(mut data: &[u8]) -> io::Result<Vec<u8>> {
    let params = brotli::enc::BrotliEncoderParams { quality: 5, ..Default::default() };
    let mut out = Vec::new();
    brotli::BrotliCompress(&mut data, &mut out, &params)?;
    Ok(out)
}

fn lz4(data: &[u8]) -> io::Result<Vec<u8>> {
    let size = data.first_chunk::<4>().map_or(0, |size| u32::from_le_bytes(*size));
    if u64::from(size) > MAX_DECODED {
        return Err(too_large());
    }
    lz4_flex::block::decompress_size_prepended(data).map_err(io::Error::other)
}

fn limited(reader: impl Read, max: u64) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    reader.take(max + 1).read_to_end(&mut out)?;
    if out.len() as u64 > max { Err(too_large()) } else { Ok(out) }
}

fn too_large() -> io::Error {
    io::Error::other(format!("it is larger than {MAX_DECODED} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const METHODS: [(&str, i64); 6] =
        [("raw", 0), ("gz", 1), ("bz2", 2), ("lz4", 3), ("zstd", 4), ("br", 5)];

    #[test]
    fn every_method_comes_back() {
        let data = "oone line\netwo lines\n".repeat(500).into_bytes();
        for (method, expected) in METHODS {
            let (bytes, code) = encode(method, &data);
            assert_eq!(code, expected, "{method}");
            assert!(code == RAW || bytes.len() < data.len(), "{method}");
            assert_eq!(decode(code, &bytes).unwrap(), data, "{method}");
        }
    }

    #[test]
    fn what_does_not_shrink_stays_raw() {
        for (method, _) in METHODS {
            assert_eq!(encode(method, b"o"), (b"o".to_vec(), RAW), "{method}");
        }
    }

    #[test]
    fn damage_is_an_error() {
        for (method, code) in &METHODS[1..] {
            let (bytes, _) = encode(method, &b"abc\n".repeat(100));
            assert!(decode(*code, &bytes[..bytes.len() / 2]).is_err(), "{method}");
        }
        assert!(decode(9, b"x").is_err());
        assert!(decode(LZ4, &[0xff, 0xff, 0xff, 0xff, 0]).is_err());
    }

    #[test]
    fn a_bomb_is_refused() {
        assert!(limited(io::repeat(0), 1000).is_err());
        assert_eq!(limited(io::repeat(0).take(1000), 1000).unwrap().len(), 1000);
        let bomb = u32::MAX.to_le_bytes();
        assert!(decode(LZ4, &bomb).unwrap_err().to_string().contains("larger"));
    }
}
