#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace muster::base {

/// True for names a client may use for models, versions and the like: [A-Za-z0-9._-]{1,128}, and
/// not "." or "..".
bool IsValidName(std::string_view name);

/// The candidate nearest to `word` for "did you mean": at most max(1, size / 3) letters inserted,
/// dropped, changed or swapped with the next; empty if there is none. The first of equally near
/// ones.
std::string_view NearestOf(std::string_view word, std::span<const std::string_view> candidates);

/// `text` cut to `max_bytes` (on a UTF-8 boundary, "…" put after what was cut) for error texts that
/// repeat what a client sent: one line of valid UTF-8, whatever came. Control characters, line
/// separators and direction marks become \n, \u001b and so on, bytes that are no UTF-8 \xff.
std::string Printable(std::string_view text, std::size_t max_bytes = 64);

/// All of `text` in double quotes, escaped as Printable does and quotes and backslashes too.
std::string Quoted(std::string_view text);

}  // namespace muster::base
