#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "muster/server/http/body_reader.h"
#include "muster/server/http/connection_set.h"
#include "muster/server/http/exchange.h"
#include "muster/server/http/head_parser.h"
#include "muster/server/http/input_buffer.h"
#include "muster/server/http/routes.h"
#include "muster/server/http/transport.h"

namespace muster::server::http {

/// One HTTP/1.1 connection and the exchange that is going on: reads a request, hands it to its
/// route's handler, writes the answer, goes on with the next. Steps run on the loop; completions of
/// the transport drive them. One read is always under way while a request executes, which is how
/// leaving clients are noticed at no cost per request; what it brings is the next request.
///
///   kHead -> kBody -> kExecuting -> kWriting -> kHead (or kDiscarding the body of a refused one)
///                                            -> kLingering -> kClosed
class Connection final : public Exchange, public std::enable_shared_from_this<Connection> {
 public:
  Connection(ConnectionSet& set, std::unique_ptr<Transport> transport);

  void Start();
  /// Ends what takes too long. `dropped`: nobody holds the exchange any more.
  void CheckTime(base::TimePoint now, bool dropped);
  /// Draining: closes an idle connection, answers 503 to a request not completely read.
  void EndUnlessAccepted();
  /// Closes now; an executing request is answered with 503 first, as far as that goes at once.
  void Abandon();
  std::size_t index() const { return index_; }
  void set_index(std::size_t index) { index_ = index; }

  Method method() const override { return head_.method(); }
  std::string_view path() const override { return head_.path(); }
  std::string_view path_parameter(std::string_view name) const override {
    return match_.Value(name);
  }
  std::string_view query(std::string_view name) const override { return head_.Query(name); }
  std::vector<std::string_view> query_names() const override { return head_.QueryNames(); }
  std::string_view header(std::string_view name) const override { return head_.Header(name); }
  std::span<const std::byte> body() const override { return body_.body(); }
  TakenBody TakeBody() override { return body_.Take(); }
  std::string_view request_id() const override { return request_id_; }
  bool peer_is_loopback() const override { return peer_is_loopback_; }
  base::TimePoint received_at() const override { return received_at_; }
  base::CancelToken cancelled() const override { return cancel_.get_token(); }
  base::Loop& loop() override { return set_.loop(); }
  std::string& out() override { return out_; }
  void AddHeader(std::string_view name, std::string_view value) override;
  void Send(int status, std::string_view content_type) override;
  void SendError(const base::Error& error) override;

 private:
  enum class State : std::uint8_t {
    kHead,
    kBody,
    kExecuting,
    kWriting,
    kDiscarding,
    kLingering,
    kClosed
  };

  /// Every call from outside comes through here: does `what`, then all steps that can be taken,
  /// then reads on; may destroy this. Nested calls (a handler that answers at once) only do `what`.
  template <class What>
  void Enter(What what);

  // Reading (connection.cc).
  bool Step();
  bool StepHead();
  bool StepBody();
  bool StepDiscard();
  void BeginRequest();
  base::Status Admit();
  void TakeRequestId();
  void Refuse(const base::Error& error);
  void Fail(const base::Error& error);
  void LogError(const base::Error& error, int status);
  void SendContinue();
  void Execute();
  void Read();
  void Discard(std::uint64_t bytes);
  std::span<std::byte> ReadSpace();
  void Watch();
  void OnRead(base::Result<std::size_t> bytes);
  void Commit(std::size_t bytes);
  void Finished();

  // Ending (connection_end.cc).
  void OnEndOfStream();
  base::Duration TimeAllowed() const;
  void EndForTime();
  void CheckBodyRate(base::TimePoint now, base::Duration waited);
  void Close();
  void RemoveIfOver();

  // Answering (connection_answer.cc).
  void AnswerOptions();
  void AppendCorsHeaders();
  void PrepareAnswer(int status, std::string_view content_type);
  std::string_view ConnectionHeader() const;
  void Write();
  void OnWrite(const base::Status& status);
  void EndExchange();
  void ClearExchange();
  void BeginClose();

  ConnectionSet& set_;
  std::unique_ptr<Transport> transport_;  // gone once closed and nothing is pending
  std::size_t index_ = 0;
  State state_ = State::kHead;
  bool peer_is_loopback_ = false;
  bool entered_ = false;
  bool reading_ = false;
  bool reading_body_ = false;  // straight into the body
  bool watching_ = false;
  bool end_of_stream_ = false;
  bool close_ = false;      // after this answer
  bool linger_ = false;     // the client may still be sending
  bool abandoned_ = false;  // answered by ourselves while a handler has the exchange
  int pending_ = 0;         // completions that will come
  base::TimePoint since_;   // of what CheckTime watches

  InputBuffer input_;
  HeadParser head_;
  BodyReader body_;
  std::span<std::byte> body_space_;
  std::size_t window_bytes_ = 0;  // of the body, since window_begin_
  std::uint64_t discard_ = 0;
  RouteTable::Match match_;
  std::string request_id_;
  base::TimePoint received_at_;
  base::CancelSource cancel_;

  int status_ = 0;
  std::string out_;
  std::string headers_;
  std::string wire_;  // head and, unless large, body of the answer
  std::array<std::span<const std::byte>, 2> unsent_;
};

template <class What>
void Connection::Enter(What what) {
  if (entered_) return what();
  entered_ = true;
  what();
  Finished();
}

}  // namespace muster::server::http
