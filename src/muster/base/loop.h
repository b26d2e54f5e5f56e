#pragma once

#include <cstdint>

#include "muster/base/clock.h"
#include "muster/base/function.h"

namespace muster::base {

/// A single-threaded event loop, as its users see it: sockets and timers are its owner's business.
/// A turn is one round of the handlers that were ready together. Everything runs on the loop's one
/// thread; only Post may be called from any thread. A loop outlives whatever may still post to it.
class Loop {
 public:
  using Task = UniqueFunction<void(), 128>;
  using TimerId = std::uint64_t;

  virtual ~Loop() = default;
  /// Runs `task` on the loop's thread, after the calls posted before it. Never runs it inline.
  virtual void Post(Task task) = 0;
  /// Runs `task` once this turn's handlers have run, before the loop waits again.
  virtual void AtEndOfTurn(Task task) = 0;
  /// Runs `task` no earlier than `when`.
  virtual TimerId At(TimePoint when, Task task) = 0;
  /// Forgets a timer that has not fired; unknown ids are ignored.
  virtual void CancelTimer(TimerId id) = 0;
  virtual TimePoint Now() const = 0;
  /// Whether the caller is a handler or task of this loop: on its thread, in a turn. Thread-safe.
  virtual bool IsCurrent() const = 0;
  /// Tells turns apart: one number for a turn's handlers and what they put at its end, another for
  /// those of the next turn.
  virtual std::uint64_t turn() const = 0;
};

}  // namespace muster::base
