#pragma once

#include <string>

namespace muster::base {

/// "req_" and 16 hexadecimal digits from a per-thread generator seeded by the system: unique for
/// all practical purposes, neither secret nor ordered. Thread-safe.
std::string NewRequestId();

}  // namespace muster::base
