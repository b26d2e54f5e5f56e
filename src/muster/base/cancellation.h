#pragma once

#include <stop_token>

namespace muster::base {

/// Cancelling is asked for by the side that lost interest and looked at by the side that works:
/// the standard's stop tokens are exactly that. A front end keeps one source per connection; a
/// default-constructed token is never cancelled.
using CancelToken = std::stop_token;
using CancelSource = std::stop_source;
template <class F>
using CancelCallback = std::stop_callback<F>;

}  // namespace muster::base
