#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "muster/base/loop.h"
#include "muster/server/http/transport.h"

namespace muster::server::http {

/// A Transport in memory, and its other end for the test to be the client with. Everything happens
/// on the loop's thread, completions in the loop's next turn, as on a socket.
///
///   FakeTransport::Peer peer;
///   auto transport = FakeTransport::Make(loop, peer);
///   peer.Send("GET / HTTP/1.1\r\n"); loop.RunUntilIdle(); peer.TakeReceived();
class FakeTransport : public Transport {
 public:
  struct State;

  /// The client's end. Copies are the same end.
  class Peer {
   public:
    void Send(std::string_view bytes);
    void CloseWrite();
    void Reset();
    /// What has come since the last call.
    std::string TakeReceived();
    /// The other side has sent its last byte (or has closed).
    bool saw_end() const;
    bool closed() const;
    /// How many bytes more are taken before writing to this end stalls; unlimited at first.
    void SetWindow(std::size_t bytes);
    /// At most so many bytes are read at a time.
    void SetReadSize(std::size_t bytes);
    /// How many bytes the other side has thrown away.
    std::size_t discarded() const;
    /// Is the other side reading, that is, does it wait for bytes?
    bool being_read() const;

   private:
    friend class FakeTransport;
    std::shared_ptr<State> state_;  // shared with the transport
  };

  static std::unique_ptr<FakeTransport> Make(base::Loop& loop, Peer& peer);
  explicit FakeTransport(std::shared_ptr<State> state) : state_(std::move(state)) {}
  ~FakeTransport() override { Close(); }
  base::Result<std::size_t> TryWrite(std::span<const std::byte> bytes) override;
  void AsyncWrite(std::span<const std::byte> bytes, WriteDone done) override;
  void AsyncRead(std::span<std::byte> into, ReadDone done) override;
  void AsyncDiscard(std::size_t bytes, ReadDone done) override;
  void WatchClose(CloseDone done) override;
  void ShutdownWrite() override;
  void Close() override;
  std::string peer() const override { return "memory"; }
  bool peer_is_loopback() const override { return true; }

 private:
  std::shared_ptr<State> state_;  // shared with the peer
};

}  // namespace muster::server::http
