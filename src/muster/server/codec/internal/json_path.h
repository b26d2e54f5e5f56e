#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace muster::server::codec::internal {

/// Where in a body a value is, as frames on the stack of whoever descends: nothing is allocated
/// until an error text needs it.
///
///   const Path inputs("inputs");            // inputs
///   const Path row(inputs, 3);              // inputs[3]
///   Path(row, "age").ToString();            // inputs[3].age
class Path {
 public:
  explicit Path(std::string_view key) : key_(key) {}
  Path(const Path& up, std::string_view key) : up_(&up), key_(key) {}
  Path(const Path& up, std::int64_t index) : up_(&up), index_(index) {}
  Path(const Path&) = delete;
  Path& operator=(const Path&) = delete;

  /// Keys from outside are cut and escaped.
  std::string ToString() const;

 private:
  const Path* up_ = nullptr;
  std::string_view key_;
  std::int64_t index_ = -1;
};

}  // namespace muster::server::codec::internal
