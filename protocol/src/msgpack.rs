//! MessagePack over WebSocket: `msgpack_experimental_v7`.
