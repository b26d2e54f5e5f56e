#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "muster/base/function.h"
#include "muster/base/result.h"

namespace muster::server::http {

/// How a peer left while nobody was reading.
enum class PeerClosed { kEndOfStream, kReset };

/// A connected byte stream: plain TCP, memory in tests, TLS later. Used from its loop's thread
/// only. At most one read (or discard), one write and one watch may be pending; completions run on
/// the loop, never inline, and always run (with an error after Close).
class Transport {
 public:
  using ReadDone = base::UniqueFunction<void(base::Result<std::size_t>)>;
  using WriteDone = base::UniqueFunction<void(base::Status)>;
  using CloseDone = base::UniqueFunction<void(PeerClosed)>;

  virtual ~Transport() = default;
  /// Writes what can be written at once; returns how many bytes went, 0 if none could.
  virtual base::Result<std::size_t> TryWrite(std::span<const std::byte> bytes) = 0;
  /// Writes all of `bytes`, which must live until `done`.
  virtual void AsyncWrite(std::span<const std::byte> bytes, WriteDone done) = 0;
  /// Reads at least one byte into `into`; 0 means the peer has sent its last byte.
  virtual void AsyncRead(std::span<std::byte> into, ReadDone done) = 0;
  /// Reads at least one byte and at most `bytes`, and throws them away where that is cheaper than
  /// to copy them; 0 means the peer has sent its last byte.
  virtual void AsyncDiscard(std::size_t bytes, ReadDone done) = 0;
  /// Calls `done` once if the peer closes or resets before the next read, which ends the
  /// watch. Unread bytes stay unread.
  virtual void WatchClose(CloseDone done) = 0;
  /// Sends end-of-stream; reading goes on, so that a peer can read the answer to a refused body.
  virtual void ShutdownWrite() = 0;
  virtual void Close() = 0;
  /// "127.0.0.1:51234", for logs and the loopback rule only.
  virtual std::string peer() const = 0;
  virtual bool peer_is_loopback() const = 0;
};

}  // namespace muster::server::http
