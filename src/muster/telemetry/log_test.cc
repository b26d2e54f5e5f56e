#include "muster/telemetry/log.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

#include "muster/telemetry/internal/log_format.h"

namespace muster::telemetry {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::IsEmpty;

std::string Format(std::string_view text, std::initializer_list<LogField> fields = {}) {
  return FormatLogLine(text, {fields.begin(), fields.size()});
}

TEST(FormatLogLine, PutsFieldsAfterTheText) {
  EXPECT_EQ(Format("model loaded", {{"model", "iris"}, {"version", "3"}}),
            "model loaded model=iris version=3");
}

TEST(FormatLogLine, QuotesValuesThatWouldNotStandAlone) {
  EXPECT_EQ(Format("x", {{"a", "two words"}, {"b", ""}, {"c", "k=v"}, {"d", "größe"}}),
            "x a=\"two words\" b=\"\" c=\"k=v\" d=\"größe\"");
}

TEST(FormatLogLine, EscapesWhatWouldFakeALineOrAField) {
  EXPECT_EQ(Format("refused", {{"name", "x\n2024 error fake=\"1\" \\"}}),
            "refused name=\"x\\n2024 error fake=\\\"1\\\" \\\\\"");
}

TEST(FormatLogLine, EscapesTerminalSequences) {
  EXPECT_EQ(Format("\x1b[2J", {{"k", "\x1b[2J"}}), "\\u001b[2J k=\"\\u001b[2J\"");
}

TEST(FormatLogLine, EscapesBytesThatAreNotUtf8) {
  EXPECT_EQ(Format("x", {{"k", "\xff"}}), "x k=\"\\xff\"");
}

TEST(FormatLogLine, CutsNothing) {
  EXPECT_EQ(Format(std::string(5'000, 'x')), std::string(5'000, 'x'));
}

class LogTest : public testing::Test {
 protected:
  void SetUp() override { testing::internal::CaptureStderr(); }
  void TearDown() override {
    Written();
    SetLogLevel(LogLevel::kInfo);
  }
  std::string Written() {
    if (!std::exchange(capturing_, false)) return {};
    return testing::internal::GetCapturedStderr();
  }

 private:
  bool capturing_ = true;
};

TEST_F(LogTest, WritesTimeLevelTextAndFieldsInOneLine) {
  Log(LogLevel::kWarning, "slow model", {{"model", "iris"}});
  const std::string line = Written();
  EXPECT_THAT(line,
              ContainsRegex("^20[0-9-]+T[0-9:]+\\.[0-9]{3}Z warning slow model model=iris\n"));
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
}

TEST_F(LogTest, UsesNoColoursOutsideATerminal) {
  Log(LogLevel::kError, "x");
  EXPECT_EQ(Written().find('\x1b'), std::string::npos);
}

TEST_F(LogTest, TakesTheTextAsItIs) {
  Log(LogLevel::kInfo, "{} {0:x} %s", {{"k", "{}"}});
  EXPECT_THAT(Written(), HasSubstr(" {} {0:x} %s k={}\n"));
}

TEST_F(LogTest, LeavesOutWhatIsBelowInfoByDefault) {
  Log(LogLevel::kDebug, "x");
  EXPECT_THAT(Written(), IsEmpty());
}

TEST_F(LogTest, LeavesOutWhatIsBelowTheLevel) {
  SetLogLevel(LogLevel::kError);
  Log(LogLevel::kWarning, "left out");
  Log(LogLevel::kError, "written");
  const std::string text = Written();
  EXPECT_EQ(text.find("left out"), std::string::npos);
  EXPECT_THAT(text, HasSubstr("written"));
}

TEST_F(LogTest, WritesDebugLinesWhenAsked) {
  SetLogLevel(LogLevel::kDebug);
  Log(LogLevel::kDebug, "detail");
  EXPECT_THAT(Written(), HasSubstr(" debug detail\n"));
}

TEST_F(LogTest, KeepsTheLinesOfThreadsApart) {
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([] {
        for (int i = 0; i < 50; ++i) Log(LogLevel::kInfo, "line", {{"k", "v"}});
      });
    }
  }
  const std::string text = Written();
  int whole = 0;
  for (std::size_t at = 0; (at = text.find(" info line k=v\n", at)) != std::string::npos; ++at) {
    ++whole;
  }
  EXPECT_EQ(whole, 200);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 200);
}

}  // namespace
}  // namespace muster::telemetry
