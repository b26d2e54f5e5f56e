#include "muster/server/codec/internal/json_text.h"

#include <gtest/gtest.h>

namespace muster::server::codec::internal {
namespace {

TEST(ClassifyNumber, FollowsTheGrammar) {
  for (const char* token : {"0", "-0", "7", "-12", "1234567890123456789012345"}) {
    EXPECT_EQ(ClassifyNumber(token), NumberKind::kInteger) << token;
  }
  for (const char* token : {"0.0", "1.5", "-1.5e3", "1e999", "1E+2", "1e-2", "0e0"}) {
    EXPECT_EQ(ClassifyNumber(token), NumberKind::kReal) << token;
  }
  for (const char* token : {"", "-", "01", "-01", "1.", ".5", "+1", "1e", "1e+", "0x1", "1.5.2",
                            "1e1.5", "NaN", "Infinity", "1a", "--1", "1_000"}) {
    EXPECT_EQ(ClassifyNumber(token), NumberKind::kNotANumber) << token;
  }
}

std::optional<std::string> Unescaped(std::string text) {
  text += '"';
  std::string scratch;
  const auto result = Unescape(ScanString(text.data()), scratch);
  return result ? std::optional<std::string>(*result) : std::nullopt;
}

TEST(Unescape, ReadsEveryEscape) {
  EXPECT_EQ(Unescaped("plain ä"), "plain ä");
  EXPECT_EQ(Unescaped(R"(\"\\\/\b\f\n\r\t)"), "\"\\/\b\f\n\r\t");
  EXPECT_EQ(Unescaped(R"(a\u0041\u00e4\u6f22z)"), "aAä漢z");
  EXPECT_EQ(Unescaped(R"(\ud83d\ude00)"), "😀");
  EXPECT_EQ(Unescaped(R"(\u0000)"), std::string("\0", 1));
}

TEST(Unescape, RefusesWhatIsNoEscape) {
  for (const char* text :
       {R"(\x)", R"(\u12)", R"(\u12g4)", R"(\ud800)", R"(\ud800x)", R"(\ud800\n)",
        R"(\ud800\ud800)", R"(\ude00)", R"(\ud83d\u0041)", R"(\')"}) {
    EXPECT_EQ(Unescaped(text), std::nullopt) << text;
  }
}

TEST(ScanString, EndsAtTheFirstQuoteThatIsNotEscaped) {
  EXPECT_EQ(ScanString(R"(a\"b\\" , "c")").text, R"(a\"b\\)");
  EXPECT_EQ(ScanString("\"").text, "");
}

TEST(TrimEnd, DropsWhiteSpaceAtTheEndOnly) {
  EXPECT_EQ(TrimEnd(" 1 \t\r\n"), " 1");
  EXPECT_EQ(TrimEnd(" \n"), "");
}

}  // namespace
}  // namespace muster::server::codec::internal
