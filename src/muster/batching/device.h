#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "muster/base/clock.h"

namespace muster::batching {

/// A set of CPUs or a GPU on which several models run: a number of run slots, shared fairly by
/// measured run time. Whoever runs a batch holds a slot meanwhile. Thread-safe.
class Device {
 public:
  using FlowId = std::uint32_t;

  virtual ~Device() = default;
  /// A party that competes for slots, e.g. one model's online rows. `weight` > 0.
  virtual FlowId AddFlow(const std::string& name, double weight = 1.0) = 0;
  /// Only when the flow holds no slot and waits for none.
  virtual void RemoveFlow(FlowId flow) = 0;
  /// Takes a free slot if nobody waits for one; never blocks.
  virtual bool TryAcquire(FlowId flow) = 0;
  /// Blocks until a slot is this flow's by deficit round robin.
  virtual void Acquire(FlowId flow) = 0;
  /// Gives the slot back and charges the flow for `used`.
  virtual void Release(FlowId flow, base::Duration used) = 0;
  /// Release and Acquire in one step, for a flow that has more to run: apart, a flow with one
  /// runner would not be waiting at the moment its slot becomes free, and flows would take turns by
  /// runs instead of by time. Returns at once if it is this flow's turn again.
  virtual void Renew(FlowId flow, base::Duration used) = 0;
  virtual int slots() const = 0;
};

/// Deficit round robin (Shreedhar & Varghese 1995) over flows, in units of run time: a flow that
/// waits is granted a slot when its deficit is positive; every round adds quantum × weight; what a
/// run used is taken off, its length being known only afterwards.
std::unique_ptr<Device> MakeFairDevice(int slots,
                                       base::Duration quantum = std::chrono::milliseconds(5));

}  // namespace muster::batching
