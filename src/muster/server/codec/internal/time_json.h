#pragma once

#include <string>

#include "muster/base/clock.h"

namespace muster::server::codec::internal {

/// Milliseconds or seconds exactly, to the nanosecond, without zeros at the end: "0.0123". Negative
/// durations, which only a broken clock makes, are 0.
void AppendMillis(std::string& out, base::Duration d);
void AppendSeconds(std::string& out, base::Duration d);

/// "2026-01-02T03:04:05.678Z" in quotes.
void AppendIsoTime(std::string& out, base::WallTime time);

}  // namespace muster::server::codec::internal
