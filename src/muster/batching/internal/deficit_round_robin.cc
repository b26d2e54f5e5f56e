#include "muster/batching/internal/deficit_round_robin.h"

#include <algorithm>
#include <limits>

#include "muster/base/result.h"

namespace muster::batching {

DeficitRoundRobin::FlowId DeficitRoundRobin::Add(double weight) {
  MUSTER_CHECK(weight > 0, "a flow's weight must be positive");
  auto free =
      std::find_if(flows_.begin(), flows_.end(), [](const Flow& f) { return f.share == 0; });
  if (free == flows_.end()) free = flows_.emplace(flows_.end());
  *free = {};
  const double share = static_cast<double>(quantum_.count()) * weight;
  free->share = std::max<Nanos>(1, static_cast<Nanos>(share));
  return static_cast<FlowId>(free - flows_.begin());
}

void DeficitRoundRobin::Remove(FlowId flow) {
  MUSTER_CHECK(flows_[flow].waiting == 0 && flows_[flow].running == 0, "a flow in use is removed");
  flows_[flow].share = 0;
}

void DeficitRoundRobin::Enqueue(FlowId id) {
  Flow& flow = flows_[id];
  if (flow.waiting++ > 0) return;
  CatchUp(flow);
  ring_.push_back(id);
}

// What the rounds since it last waited would have paid it, and the round at hand.
void DeficitRoundRobin::CatchUp(Flow& flow) {
  if (flow.epoch != epoch_) {
    flow.epoch = epoch_;
    flow.deficit = flow.share;
  } else if (flow.round != round_) {
    const std::uint64_t needed =
        flow.deficit >= 0 ? 1 : static_cast<std::uint64_t>(-flow.deficit / flow.share) + 2;
    const auto rounds = static_cast<Nanos>(std::min(needed, round_ - flow.round));
    flow.deficit = std::min(flow.share, flow.deficit + rounds * flow.share);
  }
  flow.round = round_;
}

std::optional<DeficitRoundRobin::FlowId> DeficitRoundRobin::Grant() {
  if (ring_.empty()) return std::nullopt;
  for (;;) {
    for (std::size_t i = 0; i < ring_.size(); ++i) {
      if (flows_[ring_[i]].deficit > 0) return Take(i);
    }
    BeginRound();
  }
}

// As many rounds at once as it takes for one flow to have credit: debts can be long.
void DeficitRoundRobin::BeginRound() {
  Nanos rounds = std::numeric_limits<Nanos>::max();
  for (const FlowId id : ring_) {
    rounds = std::min(rounds, -flows_[id].deficit / flows_[id].share + 1);
  }
  round_ += static_cast<std::uint64_t>(rounds);
  for (const FlowId id : ring_) {
    flows_[id].deficit += rounds * flows_[id].share;
    flows_[id].round = round_;
  }
}

// Its turn lasts as long as its credit; those passed by have none and go behind it.
DeficitRoundRobin::FlowId DeficitRoundRobin::Take(std::size_t visited) {
  for (std::size_t i = 0; i < visited; ++i) {
    ring_.push_back(ring_.front());
    ring_.pop_front();
  }
  const FlowId id = ring_.front();
  Flow& flow = flows_[id];
  flow.deficit -= flow.usual;
  flow.reserved += flow.usual;
  ++flow.running;
  if (--flow.waiting == 0) ring_.pop_front();
  return id;
}

void DeficitRoundRobin::Charge(FlowId id, base::Duration used) {
  Flow& flow = flows_[id];
  MUSTER_CHECK(flow.running > 0, "a slot is given back that was not taken");
  const Nanos reserved = flow.reserved / flow.running--;
  flow.reserved -= reserved;
  flow.deficit += reserved - used.count();
  // 0 is a slot that found no work, and says nothing about a run's length.
  if (used.count() > 0) flow.usual += (used.count() - flow.usual) / (flow.usual == 0 ? 1 : 4);
}

}  // namespace muster::batching
