//! How a frame travels on a stream of its own.
//!
//! ```text
//! frame = length u32le ‖ contents (see `message`)
//! ```
//!
//! The length is compared with the protocol's limit before anything is allocated, and memory
//! grows with what has arrived, not with what was announced.

use crate::error::MessageError;
use crate::message::{Request, RequestKind, Response};
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response};
use std::io;

/// Memory reserved before the first byte of a frame arrives, in bytes.
const FIRST_READ_BYTES: usize = 64 * 1024;

/// A request as read from a stream.
///
/// libp2p reports no failure to read a request, so that the peer could not be blamed for it. A
/// request that breaks its limits or its encoding is therefore read as the error.
pub(crate) type Received = Result<Request, MessageError>;

/// Reads and writes the frames of one kind of request.
#[derive(Clone, Debug)]
pub(crate) struct FrameCodec {
    kind: RequestKind,
}

impl FrameCodec {
    pub(crate) const fn new(kind: RequestKind) -> Self {
        Self { kind }
    }
}

impl request_response::Codec for FrameCodec {
    type Protocol = StreamProtocol;
    type Request = Received;
    type Response = Response;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Received>
    where
        T: AsyncRead + Unpin + Send,
    {
        let frame = read_frame(io, self.kind.request_bytes_max()).await?;
        Ok(frame.and_then(|frame| Request::decode(self.kind, &frame)))
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Response>
    where
        T: AsyncRead + Unpin + Send,
    {
        let frame = read_frame(io, self.kind.response_bytes_max()).await?;
        frame.and_then(|frame| Response::decode(self.kind, &frame)).map_err(invalid)
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Received,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let request = request.map_err(invalid)?;
        if request.kind() != self.kind {
            return Err(invalid(MessageError::Kind { kind: self.kind }));
        }
        write_frame(io, &request.encode().map_err(invalid)?).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        response: Response,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        if response.kind() != self.kind {
            return Err(invalid(MessageError::Kind { kind: self.kind }));
        }
        write_frame(io, &response.encode().map_err(invalid)?).await
    }
}

fn invalid(error: MessageError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Reads one frame; the inner error says that its announced length is over the limit.
///
/// # Errors
/// `UnexpectedEof` when the stream ends early, and whatever else the stream reports.
async fn read_frame<T>(
    io: &mut T,
    size_bytes_max: usize,
) -> io::Result<Result<Vec<u8>, MessageError>>
where
    T: AsyncRead + Unpin + Send,
{
    let mut length = [0; 4];
    io.read_exact(&mut length).await?;
    let size_bytes = u32::from_le_bytes(length) as usize;
    if size_bytes > size_bytes_max {
        return Ok(Err(MessageError::FrameTooLarge { size_bytes, size_bytes_max }));
    }
    let mut frame = Vec::new();
    while frame.len() < size_bytes {
        let start = frame.len();
        let end = size_bytes.min((start * 2).max(FIRST_READ_BYTES));
        frame.reserve_exact(end - start);
        frame.resize(end, 0);
        io.read_exact(&mut frame[start..]).await?;
    }
    Ok(Ok(frame))
}

async fn write_frame<T>(io: &mut T, contents: &[u8]) -> io::Result<()>
where
    T: AsyncWrite + Unpin + Send,
{
    let length = u32::try_from(contents.len()).expect("frame limits are far below 4 GiB");
    io.write_all(&length.to_le_bytes()).await?;
    io.write_all(contents).await?;
    io.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use futures::io::Cursor;
    use proptest::prelude::*;

    #[test]
    fn a_frame_is_read_back_as_written_across_the_growth_steps() {
        for size in [0, 1, FIRST_READ_BYTES, FIRST_READ_BYTES + 1, 5 * FIRST_READ_BYTES + 3] {
            let contents: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            let mut stream = Cursor::new(Vec::new());
            block_on(write_frame(&mut stream, &contents)).unwrap();
            let mut stream = Cursor::new(stream.into_inner());
            let read = block_on(read_frame(&mut stream, size)).unwrap().unwrap();
            assert_eq!(read, contents);
            assert!(read.capacity() <= size.max(FIRST_READ_BYTES));
        }
    }

    #[test]
    fn an_announced_length_over_the_limit_is_refused_before_reading() {
        let mut stream = Cursor::new(u32::MAX.to_le_bytes().to_vec());
        let refused = block_on(read_frame(&mut stream, 1024)).unwrap();
        let size_bytes = u32::MAX as usize;
        let expected = MessageError::FrameTooLarge { size_bytes, size_bytes_max: 1024 };
        assert_eq!(refused, Err(expected));
    }

    #[test]
    fn an_announced_length_that_does_not_arrive_is_an_early_end() {
        let mut stream = Cursor::new(10u32.to_le_bytes().to_vec());
        let error = block_on(read_frame(&mut stream, 1024)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    proptest! {
        #[test]
        fn random_streams_never_panic_and_never_hold_more_than_the_limit(
            stream in proptest::collection::vec(any::<u8>(), 0..300), limit in 0usize..300,
        ) {
            let mut stream = Cursor::new(stream);
            if let Ok(Ok(frame)) = block_on(read_frame(&mut stream, limit)) {
                prop_assert!(frame.len() <= limit);
                prop_assert!(frame.capacity() <= limit.max(FIRST_READ_BYTES));
            }
        }
    }
}
