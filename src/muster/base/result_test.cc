#include "muster/base/result.h"

#include <gtest/gtest.h>
#include <memory>

namespace muster::base {
namespace {

using std::chrono_literals::operator""ms;

Result<int> Half(int n) {
  if (n % 2 != 0) return InvalidArgument("expected an even number", "ODD");
  return n / 2;
}

TEST(Code, IsNumberedLikeGrpcs) {
  EXPECT_EQ(static_cast<int>(Code::kInvalidArgument), 3);
  EXPECT_EQ(static_cast<int>(Code::kUnauthenticated), 16);
}

TEST(CodeName, IsGrpcsName) {
  EXPECT_EQ(CodeName(Code::kCancelled), "CANCELLED");
  EXPECT_EQ(CodeName(Code::kInvalidArgument), "INVALID_ARGUMENT");
  EXPECT_EQ(CodeName(Code::kUnavailable), "UNAVAILABLE");
}

TEST(CodeName, OfANumberThatIsNoCodeIsUnknown) {
  EXPECT_EQ(CodeName(static_cast<Code>(99)), "UNKNOWN");
}

TEST(Error, ReasonIsTheCodesNameUnlessGiven) {
  EXPECT_EQ(NotFound("no model").Reason(), "NOT_FOUND");
  EXPECT_EQ(NotFound("no model", "MODEL_NOT_FOUND").Reason(), "MODEL_NOT_FOUND");
}

TEST(Error, WithContextPrecedesTheTextAndKeepsTheRest) {
  Error error = Unavailable("queue full", "QUEUE_FULL");
  error.retry_after = 20ms;
  const Error outer = error.WithContext("model iris");
  EXPECT_EQ(outer.message, "model iris: queue full");
  EXPECT_EQ(outer.code, Code::kUnavailable);
  EXPECT_EQ(outer.reason, "QUEUE_FULL");
  EXPECT_EQ(outer.retry_after, 20ms);
}

TEST(Error, ToStringTellsCodeReasonAndText) {
  EXPECT_EQ(InvalidArgument("no rows", "EMPTY_BATCH").ToString(),
            "INVALID_ARGUMENT (EMPTY_BATCH): no rows");
  EXPECT_EQ(Internal("oops").ToString(), "INTERNAL: oops");
}

TEST(Error, EachMakerGivesItsCode) {
  EXPECT_EQ(InvalidArgument("").code, Code::kInvalidArgument);
  EXPECT_EQ(NotFound("").code, Code::kNotFound);
  EXPECT_EQ(Unavailable("").code, Code::kUnavailable);
  EXPECT_EQ(Internal("").code, Code::kInternal);
  EXPECT_EQ(ResourceExhausted("").code, Code::kResourceExhausted);
  EXPECT_EQ(DeadlineExceeded("").code, Code::kDeadlineExceeded);
  EXPECT_EQ(FailedPrecondition("").code, Code::kFailedPrecondition);
  EXPECT_EQ(Unimplemented("").code, Code::kUnimplemented);
  EXPECT_EQ(Cancelled("").code, Code::kCancelled);
}

TEST(Result, HoldsAValue) {
  Result<int> result = Half(4);
  ASSERT_TRUE(result);
  EXPECT_EQ(*result, 2);
}

TEST(Result, HoldsAnError) {
  Result<int> result = Half(3);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().reason, "ODD");
}

TEST(Result, HandsOutAMoveOnlyValue) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(7);
  std::unique_ptr<int> taken = std::move(result).value();
  EXPECT_EQ(*taken, 7);
}

TEST(Result, ValueOrFallsBackOnlyOnError) {
  EXPECT_EQ(Half(4).value_or(-1), 2);
  EXPECT_EQ(Half(3).value_or(-1), -1);
}

TEST(Result, WithContextChangesOnlyErrors) {
  EXPECT_EQ(*Half(4).WithContext("halving"), 2);
  EXPECT_EQ(Half(3).WithContext("halving").error().message, "halving: expected an even number");
}

TEST(Status, IsSuccessUnlessItHoldsAnError) {
  EXPECT_TRUE(Status());
  EXPECT_FALSE(Status(Internal("oops")));
  EXPECT_EQ(Status(Internal("oops")).WithContext("saving").error().message, "saving: oops");
}

Status CheckEven(int n) {
  MUSTER_RETURN_IF_ERROR(Half(n));
  return {};
}

TEST(ReturnIfError, LeavesWithTheError) {
  EXPECT_TRUE(CheckEven(2));
  EXPECT_EQ(CheckEven(1).error().reason, "ODD");
}

Result<std::string> QuarterText(int n) {
  MUSTER_ASSIGN_OR_RETURN(const int half, Half(n));
  MUSTER_ASSIGN_OR_RETURN(const int quarter, Half(half));
  return std::to_string(quarter);
}

TEST(AssignOrReturn, BindsTheValueOrLeavesWithTheError) {
  EXPECT_EQ(*QuarterText(8), "2");
  EXPECT_EQ(QuarterText(6).error().reason, "ODD");
}

TEST(ResultDeathTest, ReadingTheValueOfAnErrorAbortsWithTheError) {
  EXPECT_DEATH((void)Half(3).value(), "INVALID_ARGUMENT \\(ODD\\)");
}

TEST(ResultDeathTest, ReadingTheErrorOfAValueAborts) {
  EXPECT_DEATH((void)Half(2).error(), "holds a value");
  EXPECT_DEATH((void)Status().error(), "holds a value");
}

TEST(CheckDeathTest, AbortsWithTextAndPlace) {
  EXPECT_DEATH(MUSTER_CHECK(1 + 1 == 3, "sums"), "result_test.cc:[0-9]+: fatal: sums");
}

TEST(Check, DoesNotMakeTheTextUnlessItFails) {
  int made = 0;
  const auto text = [&made] { return ++made, "text"; };
  MUSTER_CHECK(true, text());
  EXPECT_EQ(made, 0);
}

}  // namespace
}  // namespace muster::base
