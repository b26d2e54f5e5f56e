#pragma once

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace muster::base {

/// Numbered like gRPC's status codes, so that every wire can carry them unchanged.
/// Retryable: kUnavailable, kResourceExhausted, kAborted.
enum class Code : std::uint8_t {
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

/// "INVALID_ARGUMENT" and so on.
std::string_view CodeName(Code code);

/// Why something failed: a code for programs, a stable reason for clients, a text for a person.
/// The text says what was expected, what came, and where; it never holds a path of the server,
/// an address or a stack, because clients read it.
struct [[nodiscard]] Error {
  Code code = Code::kUnknown;
  std::string message;
  /// Stable name such as "EMPTY_BATCH"; empty means the code's own name. Points to static storage.
  std::string_view reason = {};
  /// How long a client should wait before it tries again; 0 where that is not known.
  std::chrono::milliseconds retry_after{0};

  std::string_view Reason() const { return reason.empty() ? CodeName(code) : reason; }
  /// The same error, its text preceded by `context` and ": ".
  Error WithContext(std::string_view context) const;
  /// "INVALID_ARGUMENT (EMPTY_BATCH): text", for logs.
  std::string ToString() const;
};

Error InvalidArgument(std::string message, std::string_view reason = {});
Error NotFound(std::string message, std::string_view reason = {});
Error Unavailable(std::string message, std::string_view reason = {});
Error Internal(std::string message, std::string_view reason = {});
Error ResourceExhausted(std::string message, std::string_view reason = {});
Error DeadlineExceeded(std::string message, std::string_view reason = {});
Error FailedPrecondition(std::string message, std::string_view reason = {});
Error Unimplemented(std::string message, std::string_view reason = {});
Error Cancelled(std::string message, std::string_view reason = {});

/// Ends the process with `what`, for broken invariants only.
[[noreturn]] void Fatal(std::string_view what, const char* file, int line);
#define MUSTER_CHECK(condition, what) \
  ((condition) ? (void)0 : ::muster::base::Fatal((what), __FILE__, __LINE__))

/// A value or an Error. Member names are those of std::expected, which this becomes with C++23.
/// Reading the side that is not there is a broken invariant and aborts.
template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & {
    CheckValue();
    return *std::get_if<0>(&state_);
  }
  const T& value() const& {
    CheckValue();
    return *std::get_if<0>(&state_);
  }
  T&& value() && {
    CheckValue();
    return std::move(*std::get_if<0>(&state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const& {
    MUSTER_CHECK(!has_value(), "error() of a Result that holds a value");
    return *std::get_if<1>(&state_);
  }
  Error&& error() && {
    MUSTER_CHECK(!has_value(), "error() of a Result that holds a value");
    return std::move(*std::get_if<1>(&state_));
  }

  T value_or(T fallback) && { return has_value() ? std::move(*this).value() : std::move(fallback); }
  Result WithContext(std::string_view context) && {
    return has_value() ? std::move(*this) : Result(error().WithContext(context));
  }

 private:
  void CheckValue() const {
    if (!has_value())
      Fatal("value() of " + std::get_if<1>(&state_)->ToString(), __FILE__, __LINE__);
  }
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT

  bool has_value() const { return !error_.has_value(); }
  explicit operator bool() const { return has_value(); }
  const Error& error() const& {
    MUSTER_CHECK(!has_value(), "error() of a Result that holds a value");
    return *error_;
  }
  Error&& error() && {
    MUSTER_CHECK(!has_value(), "error() of a Result that holds a value");
    return std::move(*error_);
  }
  Result WithContext(std::string_view context) && {
    return has_value() ? std::move(*this) : Result(error_->WithContext(context));
  }

 private:
  std::optional<Error> error_;
};

/// Success, or why not.
using Status = Result<void>;

/// Leaves the function with the error of `expression` (a Status or Result), if it has one.
#define MUSTER_RETURN_IF_ERROR(expression)                             \
  do {                                                                 \
    if (auto muster_status = (expression); !muster_status.has_value()) \
      return std::move(muster_status).error();                         \
  } while (false)

#define MUSTER_CONCAT_(a, b) a##b
#define MUSTER_CONCAT(a, b) MUSTER_CONCAT_(a, b)
/// `MUSTER_ASSIGN_OR_RETURN(auto x, F());` binds the value or leaves with the error.
#define MUSTER_ASSIGN_OR_RETURN(declaration, expression)               \
  auto MUSTER_CONCAT(muster_result_, __LINE__) = (expression);         \
  if (!MUSTER_CONCAT(muster_result_, __LINE__).has_value())            \
    return std::move(MUSTER_CONCAT(muster_result_, __LINE__)).error(); \
  declaration = std::move(MUSTER_CONCAT(muster_result_, __LINE__)).value()

}  // namespace muster::base
