#pragma once

#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "muster/server/http/transport.h"

namespace muster::server::http {

/// A connected transport, its peer, and the loop that drives both: what an implementation gives the
/// suite below.
class TransportUnderTest {
 public:
  virtual ~TransportUnderTest() = default;
  virtual Transport& transport() = 0;
  virtual void DestroyTransport() = 0;
  /// Runs the loop until `done`.
  virtual void RunUntil(const std::function<bool()>& done) = 0;
  /// Runs the loop for as long as anything is ready, some turns at least.
  virtual void RunUntilIdle() = 0;
  virtual void PeerSend(std::string_view bytes) = 0;
  virtual void PeerClosesWrite() = 0;
  virtual void PeerResets() = 0;
  /// What has come to the peer so far.
  virtual std::string PeerReceives() = 0;
  /// Has the peer seen the end of the stream?
  virtual bool PeerSawEnd() = 0;
  /// The peer stops reading, so that writing stalls sooner or later; PeerReceives ends that.
  virtual void PeerStalls() = 0;
};

struct TransportMaker {
  std::string name;
  std::function<std::unique_ptr<TransportUnderTest>()> make;
  friend std::ostream& operator<<(std::ostream& out, const TransportMaker& maker) {
    return out << maker.name;
  }
};

/// What every Transport promises.
class TransportConformance : public testing::TestWithParam<TransportMaker> {
 protected:
  Transport& transport() { return t_->transport(); }
  void Read() {
    read_.reset();
    transport().AsyncRead(buffer_, [this](base::Result<std::size_t> r) { read_ = std::move(r); });
  }
  void Discard(std::size_t bytes) {
    read_.reset();
    transport().AsyncDiscard(bytes, [this](base::Result<std::size_t> r) { read_ = std::move(r); });
  }
  void Watch() {
    transport().WatchClose([this](PeerClosed how) { closed_.push_back(how); });
  }
  std::string AwaitRead() {
    t_->RunUntil([this] { return read_.has_value(); });
    if (!*read_) return "error";
    return {reinterpret_cast<const char*>(buffer_.data()), **read_};
  }
  static std::span<const std::byte> Bytes(std::string_view text) {
    return std::as_bytes(std::span(text));
  }

  std::unique_ptr<TransportUnderTest> t_ = GetParam().make();
  std::vector<std::byte> buffer_ = std::vector<std::byte>(100);
  std::optional<base::Result<std::size_t>> read_;
  std::vector<PeerClosed> closed_;
};

TEST_P(TransportConformance, ReadsWhatThePeerSends) {
  Read();
  EXPECT_FALSE(read_.has_value());
  t_->PeerSend("hello");
  EXPECT_EQ(AwaitRead(), "hello");
}

TEST_P(TransportConformance, ReadingNeverCompletesInline) {
  t_->PeerSend("hello");
  Read();
  EXPECT_FALSE(read_.has_value());
  EXPECT_EQ(AwaitRead(), "hello");
}

TEST_P(TransportConformance, ReadsTheEndBehindTheLastByte) {
  t_->PeerSend("hello");
  t_->PeerClosesWrite();
  Read();
  EXPECT_EQ(AwaitRead(), "hello");
  Read();
  EXPECT_EQ(AwaitRead(), "");
  EXPECT_TRUE(*read_);
}

TEST_P(TransportConformance, DiscardsNoMoreThanItIsAskedFor) {
  t_->PeerSend("rest of a body, hello");
  t_->PeerClosesWrite();
  Discard(16);
  EXPECT_FALSE(read_.has_value()) << "never inline";
  t_->RunUntil([this] { return read_.has_value(); });
  ASSERT_TRUE(*read_);
  EXPECT_EQ(**read_, 16u);
  Read();
  EXPECT_EQ(AwaitRead(), "hello");
  Discard(100);
  t_->RunUntil([this] { return read_.has_value(); });
  ASSERT_TRUE(*read_);
  EXPECT_EQ(**read_, 0u) << "the peer's last byte was read";
}

TEST_P(TransportConformance, DiscardingWaitsForThePeer) {
  Discard(100);
  t_->RunUntilIdle();
  EXPECT_FALSE(read_.has_value());
  t_->PeerSend("hello");
  t_->RunUntil([this] { return read_.has_value(); });
  ASSERT_TRUE(*read_);
  EXPECT_EQ(**read_, 5u);
}

TEST_P(TransportConformance, DiscardingFailsWhenThePeerResets) {
  Discard(100);
  t_->PeerResets();
  EXPECT_EQ(AwaitRead(), "error");
}

TEST_P(TransportConformance, ReadingFailsWhenThePeerResets) {
  Read();
  t_->PeerResets();
  EXPECT_EQ(AwaitRead(), "error");
}

TEST_P(TransportConformance, WritesAtOnceWhatFits) {
  const auto written = transport().TryWrite(Bytes("hello"));
  ASSERT_TRUE(written);
  EXPECT_EQ(*written, 5u);
  std::string received;
  t_->RunUntil([&] { return (received += t_->PeerReceives()).size() == 5; });
  EXPECT_EQ(received, "hello");
}

TEST_P(TransportConformance, WritesTheRestWhenThePeerReadsAgain) {
  t_->PeerStalls();
  const std::string text(1000, 'x');
  std::size_t sent = 0;
  while (true) {
    const auto written = transport().TryWrite(Bytes(text));
    ASSERT_TRUE(written);
    if (*written == 0) break;
    sent += *written;
  }
  bool done = false;
  transport().AsyncWrite(Bytes(text), [&](const base::Status& status) { done = bool(status); });
  t_->RunUntilIdle();
  EXPECT_FALSE(done);
  std::size_t received = 0;
  t_->RunUntil([&] { return (received += t_->PeerReceives().size()) == sent + text.size(); });
  t_->RunUntil([&] { return done; });
}

TEST_P(TransportConformance, WritingNeverKillsTheProcessWhenThePeerHasGone) {
  t_->PeerResets();
  Read();
  EXPECT_EQ(AwaitRead(), "error");
  EXPECT_FALSE(transport().TryWrite(Bytes("hello")));
}

TEST_P(TransportConformance, ShutdownWriteEndsTheStreamAndReadingGoesOn) {
  transport().ShutdownWrite();
  t_->RunUntil([&] { return t_->PeerSawEnd(); });
  t_->PeerSend("late");
  Read();
  EXPECT_EQ(AwaitRead(), "late");
}

TEST_P(TransportConformance, AWatchSeesTheEndOfTheStream) {
  Watch();
  t_->RunUntilIdle();
  EXPECT_TRUE(closed_.empty());
  t_->PeerClosesWrite();
  t_->RunUntil([this] { return !closed_.empty(); });
  EXPECT_EQ(closed_, std::vector{PeerClosed::kEndOfStream});
}

TEST_P(TransportConformance, AWatchSeesAReset) {
  Watch();
  t_->RunUntilIdle();
  t_->PeerResets();
  t_->RunUntil([this] { return !closed_.empty(); });
  EXPECT_EQ(closed_, std::vector{PeerClosed::kReset});
}

TEST_P(TransportConformance, AWatchLeavesBytesUnreadAndSeesAResetBehindThem) {
  Watch();
  t_->PeerSend("pipelined");
  t_->RunUntilIdle();  // would not return if the watch were spinning
  EXPECT_TRUE(closed_.empty());
  t_->PeerResets();
  t_->RunUntil([this] { return !closed_.empty(); });
  EXPECT_EQ(closed_, std::vector{PeerClosed::kReset});
}

TEST_P(TransportConformance, ReadingEndsTheWatch) {
  Watch();
  t_->PeerSend("hello");
  t_->RunUntilIdle();
  Read();
  EXPECT_EQ(AwaitRead(), "hello");
  t_->PeerClosesWrite();
  Read();
  EXPECT_EQ(AwaitRead(), "");
  EXPECT_TRUE(closed_.empty());
}

TEST_P(TransportConformance, CanBeWatchedAgain) {
  Watch();
  Read();
  t_->PeerSend("a");
  EXPECT_EQ(AwaitRead(), "a");
  Watch();
  t_->PeerClosesWrite();
  t_->RunUntil([this] { return !closed_.empty(); });
  t_->RunUntilIdle();
  EXPECT_EQ(closed_.size(), 1u);
}

TEST_P(TransportConformance, CloseCompletesThePendingReadAndEndsTheWatch) {
  Read();
  transport().Close();
  EXPECT_FALSE(read_.has_value());
  EXPECT_EQ(AwaitRead(), "error");
  t_->RunUntil([&] { return t_->PeerSawEnd(); });
  EXPECT_TRUE(closed_.empty());
}

TEST_P(TransportConformance, MayBeDestroyedWithAReadPending) {
  Read();
  t_->DestroyTransport();
  EXPECT_EQ(AwaitRead(), "error");
}

}  // namespace muster::server::http
