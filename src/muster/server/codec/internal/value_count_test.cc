#include "muster/server/codec/internal/value_count.h"

#include <gtest/gtest.h>
#include <string>

namespace muster::server::codec::internal {
namespace {

std::string Reason(std::string_view json, std::size_t max_values) {
  const base::Status status = CheckValueCount(json, max_values);
  return status ? "" : std::string(status.error().reason);
}

std::string Repeated(std::string_view part, std::size_t times) {
  std::string text;
  for (std::size_t i = 0; i < times; ++i) text += part;
  return text;
}

TEST(ValueCount, TextsShorterThanTheLimitPassUnread) { EXPECT_EQ(Reason("]]]]", 4), ""); }

TEST(ValueCount, CountsValuesOfLists) {
  EXPECT_EQ(Reason("[1,2,3,4,5,6,7,8,9]", 10), "");
  EXPECT_EQ(Reason("[1,2,3,4,5,6,7,8,9,10]", 10), "TOO_MANY_VALUES");
}

TEST(ValueCount, DoesNotCountInsideStrings) {
  const std::string text = "[\"" + Repeated(",", 1000) + "\\\",[[[\",1]";
  EXPECT_EQ(Reason(text, 10), "");
  EXPECT_EQ(Reason(text + Repeated(",1", 10), 10), "TOO_MANY_VALUES");
}

TEST(ValueCount, RefusesPunctuationThatCannotBeJson) {
  EXPECT_EQ(Reason(Repeated("]", 1000), 100), "JSON");
  EXPECT_EQ(Reason(Repeated(":", 1000), 100), "JSON");
}

TEST(ValueCount, RefusesFloodsBeforeTheParserSeesThem) {
  EXPECT_EQ(Reason(Repeated("0,", 1'000'000), 500'000), "TOO_MANY_VALUES");
  EXPECT_EQ(Reason("[" + Repeated("{},", 1'000'000) + "{}]", 1'000'000), "TOO_MANY_VALUES");
  EXPECT_EQ(Reason(Repeated("[", 1'000'000), 500'000), "TOO_MANY_VALUES");
}

}  // namespace
}  // namespace muster::server::codec::internal
