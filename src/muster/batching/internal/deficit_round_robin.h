#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "muster/base/clock.h"
#include "muster/base/recycled.h"

namespace muster::batching {

/// Whose turn it is: deficit round robin (Shreedhar & Varghese, "Efficient Fair Queuing Using
/// Deficit Round Robin", 1995) over flows, in run time. Pure; flows are small numbers, used again.
///
/// Unlike a packet, a run has no known length when it is granted: it is charged what the flow's
/// runs took lately, and the difference when it is over. So a flow can get into debt; it waits
/// while the others catch up. Rounds that begin while a flow asks for nothing pay its debt too, but
/// save up no more than one quantum.
class DeficitRoundRobin {
 public:
  using FlowId = std::uint32_t;

  explicit DeficitRoundRobin(base::Duration quantum) : quantum_(quantum) {}
  FlowId Add(double weight);
  /// Only without requests and grants.
  void Remove(FlowId flow);

  /// One more request of `flow` waits.
  void Enqueue(FlowId flow);
  /// Takes the request that is next; none if none waits. O(flows that wait).
  std::optional<FlowId> Grant();
  /// A granted run is over and took `used`.
  void Charge(FlowId flow, base::Duration used);
  /// Nobody waits and nothing runs: what was used so far was taken from no one.
  void Forget() { ++epoch_; }

  bool idle() const { return ring_.empty(); }
  int waiting(FlowId flow) const { return flows_[flow].waiting; }

 private:
  using Nanos = std::int64_t;
  struct Flow {
    Nanos share = 0;  // quantum × weight; 0: not in use
    Nanos deficit = 0;
    Nanos usual = 0;     // what a run takes, a moving average
    Nanos reserved = 0;  // charged in advance for `running`
    int running = 0;
    int waiting = 0;
    std::uint64_t round = 0;  // the last that paid it
    std::uint64_t epoch = 0;
  };
  void CatchUp(Flow& flow);
  void BeginRound();
  FlowId Take(std::size_t visited);

  const base::Duration quantum_;
  std::vector<Flow> flows_;
  std::deque<FlowId, base::Recycled<FlowId>>
      ring_;  // flows that wait, the one whose turn it is in front
  std::uint64_t round_ = 1;
  std::uint64_t epoch_ = 1;
};

}  // namespace muster::batching
