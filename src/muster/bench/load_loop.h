#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "muster/base/clock.h"
#include "muster/bench/tally.h"

namespace muster::bench {

/// What a LoadLoop asks of the network. Connections are numbered from 0. No call may answer at
/// once: what comes of it is told to the loop later, from outside of its own functions.
class Wire {
 public:
  virtual ~Wire() = default;
  virtual void Open(std::size_t connection) = 0;
  virtual void Send(std::size_t connection, std::size_t input) = 0;
  /// Nothing more comes from it until it is opened again.
  virtual void Close(std::size_t connection) = 0;
};

/// One thread's share of a load.
struct LoadPlan {
  /// Open loop: when requests are due, from the beginning, warm-up included. Null: closed loop.
  const std::vector<base::Duration>* arrivals = nullptr;
  std::size_t first_arrival = 0;  ///< this thread takes every `stride`-th from here on
  std::size_t stride = 1;
  std::size_t connections = 64;        ///< opened at the beginning
  std::size_t max_connections = 1024;  ///< open loop: more are opened when none is free
  std::size_t burst = 0;               ///< opened at once in the middle of the timed part
  base::Duration warm_up{0};
  base::Duration duration = std::chrono::seconds(10);
  base::Duration give_up = std::chrono::seconds(10);  ///< an unanswered request has failed
  base::Duration slo = base::Duration::max();
  /// Open loop: a request that waits longer for a connection is not sent any more, as its client
  /// would have given up.
  base::Duration deadline = base::Duration::max();
  base::Duration slice{0};  ///< length of a Tally::slices; 0: none are counted
  std::size_t inputs = 1;   ///< sent in turn, from first_input on
  std::size_t first_input = 0;
  double check_share = 0;  ///< of the answers 200
  /// Compares an answer with what is expected of `input`: empty, or what differs.
  std::function<std::string(std::size_t input, std::string_view body)> check;
};

/// Connections in the order in which they became free, each at most once, in memory of its own.
class FreeList {
 public:
  explicit FreeList(std::size_t capacity) : ring_(capacity), listed_(capacity) {}
  bool empty() const { return size_ == 0; }
  /// Below the capacity; one that is listed keeps its place.
  void Push(std::size_t connection) {
    if (listed_[connection]) return;
    listed_[connection] = true;
    ring_[(head_ + size_++) % ring_.size()] = connection;
  }
  std::size_t Pop() {
    const std::size_t connection = ring_[head_];
    head_ = (head_ + 1) % ring_.size();
    --size_;
    listed_[connection] = false;
    return connection;
  }

 private:
  std::vector<std::size_t> ring_;
  std::vector<bool> listed_;
  std::size_t head_ = 0, size_ = 0;
};

/// Decides what is sent when, and counts what comes of it: the load generator without its sockets.
/// Closed loop: each connection sends its next request as soon as it has its answer. Open loop: a
/// request begins when it is due, whether it can be sent or not, so that a slow server (or a late
/// generator) cannot hide behind requests that were never made; it takes the connection that has
/// been free longest, and waits in order where there is none. A connection that fails is opened
/// again after kReopen. Single-threaded.
class LoadLoop {
 public:
  static constexpr base::Duration kReopen = std::chrono::milliseconds(10);

  /// All are borrowed.
  LoadLoop(const LoadPlan& plan, Wire& wire, Tally& tally);

  void Begin(base::TimePoint now);
  /// Sends what is due and gives up what is overdue. To be called at NextTick at the latest.
  void Tick(base::TimePoint now);
  base::TimePoint NextTick() const;
  /// Every request of the timed part has been answered or has failed, or Interrupt was called.
  bool done() const { return done_; }
  /// Ends the timed part now; what is under way is not counted.
  void Interrupt(base::TimePoint now);
  /// Length of the timed part, as far as it has come.
  base::Duration timed(base::TimePoint now) const;

  void OnOpened(std::size_t connection, base::TimePoint now);
  void OnAnswer(std::size_t connection, int status, bool keep_alive, std::string_view body,
                base::TimePoint now);
  /// A connection failed, while it was opened, idle or awaited an answer.
  void OnFailure(std::size_t connection, Failure failure, base::TimePoint now);

 private:
  enum class State : std::uint8_t { kClosed, kOpening, kFree, kBusy };
  struct Connection {
    State state = State::kClosed;
    bool burst = false;     // its opening counts as the burst's
    base::TimePoint since;  // when it was opened or sent its request
    base::TimePoint began;  // the request: when it was due, or sent in a closed loop
    std::size_t input = 0;
  };

  bool open_loop() const { return plan_.arrivals != nullptr; }
  bool Timed(base::TimePoint began) const { return began >= timed_begin_ && began < timed_end_; }
  base::TimePoint Due(std::size_t arrival) const { return begin_ + (*plan_.arrivals)[arrival]; }
  bool IsDue(base::TimePoint now) const;
  void Open(std::size_t connection, base::TimePoint now);
  void OpenMore(std::size_t count, base::TimePoint now, bool burst);
  void Use(std::size_t connection, base::TimePoint now);
  void Send(std::size_t connection, base::TimePoint began, base::TimePoint now);
  void SendDue(base::TimePoint now);
  void FailExpired(base::TimePoint now);
  void OpenForWaiting(base::TimePoint now);
  void Sweep(base::TimePoint now);
  void Fail(base::TimePoint began, Failure failure);
  void FailOldestDue(Failure failure, base::TimePoint now);
  void CountAnswer(int status, base::Duration latency, base::TimePoint began);
  Slice* SliceOf(base::TimePoint began);
  void Check(std::size_t input, std::string_view body);
  void FinishIfDone(base::TimePoint now);

  const LoadPlan& plan_;
  Wire& wire_;
  Tally& tally_;
  base::TimePoint begin_, timed_begin_, timed_end_, next_sweep_;
  std::vector<Connection> connections_;
  FreeList free_;  // open loop; may name ones that are no longer free
  std::size_t opening_ = 0;
  std::size_t under_way_ = 0;     // requests of the timed part that were sent
  std::size_t next_arrival_ = 0;  // the first that has not been sent
  std::size_t next_input_ = 0;
  std::uint64_t sample_ = 1;
  bool burst_done_ = false;
  bool done_ = false;
};

}  // namespace muster::bench
