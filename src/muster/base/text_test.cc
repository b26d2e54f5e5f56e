#include "muster/base/text.h"

#include <array>
#include <gtest/gtest.h>

namespace muster::base {
namespace {

TEST(IsValidName, AllowsLettersDigitsDotsUnderscoresAndDashes) {
  EXPECT_TRUE(IsValidName("a"));
  EXPECT_TRUE(IsValidName("Iris_v2.1-final"));
  EXPECT_TRUE(IsValidName("..."));
}

TEST(IsValidName, RefusesOtherCharacters) {
  for (const std::string_view name : {"a b", "a/b", "a\\b", "ä", "a\n", "%41", "a:b"}) {
    EXPECT_FALSE(IsValidName(name)) << name;
  }
  EXPECT_FALSE(IsValidName(std::string_view("a\0b", 3)));
}

TEST(IsValidName, RefusesThePathsThatPointElsewhere) {
  EXPECT_FALSE(IsValidName("."));
  EXPECT_FALSE(IsValidName(".."));
}

TEST(IsValidName, RefusesNothingAndMoreThan128Bytes) {
  EXPECT_FALSE(IsValidName(""));
  EXPECT_TRUE(IsValidName(std::string(128, 'x')));
  EXPECT_FALSE(IsValidName(std::string(129, 'x')));
}

std::string_view Nearest(std::string_view word) {
  static constexpr std::array<std::string_view, 4> kKeys = {"max_batch_size", "max_delay", "policy",
                                                            "ab"};
  return NearestOf(word, kKeys);
}

TEST(NearestOf, FindsAWordWithALetterMissingTooManyOrWrong) {
  EXPECT_EQ(Nearest("polcy"), "policy");
  EXPECT_EQ(Nearest("poliicy"), "policy");
  EXPECT_EQ(Nearest("polizy"), "policy");
}

TEST(NearestOf, CountsTwoSwappedLettersAsOneFault) { EXPECT_EQ(Nearest("ba"), "ab"); }

TEST(NearestOf, AllowsAThirdOfTheLettersToBeWrong) {
  EXPECT_EQ(Nearest("pxlixy"), "policy");
  EXPECT_EQ(Nearest("xxlixy"), "");
}

TEST(NearestOf, PrefersTheNearer) {
  static constexpr std::array<std::string_view, 3> kKeys = {"max_delay_us", "max_delay",
                                                            "max_dela"};
  EXPECT_EQ(NearestOf("max_delai", kKeys), "max_delay");
}

TEST(NearestOf, PrefersTheFirstOfEquallyNearOnes) {
  static constexpr std::array<std::string_view, 2> kKeys = {"cat", "car"};
  EXPECT_EQ(NearestOf("cap", kKeys), "cat");
}

TEST(NearestOf, FindsNothingThatHasNoLetterInCommon) {
  static constexpr std::array<std::string_view, 2> kKeys = {"x", "y"};
  EXPECT_EQ(NearestOf("", kKeys), "");
  EXPECT_EQ(NearestOf("z", kKeys), "");
}

TEST(NearestOf, FindsNothingWithoutCandidates) { EXPECT_EQ(NearestOf("x", {}), ""); }

TEST(NearestOf, DoesNotCompareAWordOfMegabytesWithShortOnes) {
  EXPECT_EQ(Nearest(std::string(100'000'000, 'p')), "");
}

TEST(Printable, KeepsOrdinaryText) {
  EXPECT_EQ(Printable("iris \"v2\" \\ größe 模型 🙂"), "iris \"v2\" \\ größe 模型 🙂");
}

TEST(Printable, EscapesControlCharacters) {
  EXPECT_EQ(Printable(std::string_view("a\nb\r\tc\x1b[31m\x7f\0", 13)),
            "a\\nb\\r\\tc\\u001b[31m\\u007f\\u0000");
}

TEST(Printable, EscapesLineSeparatorsAndDirectionMarks) {
  EXPECT_EQ(Printable("\u0085\u2028\u202e\u2066"), "\\u0085\\u2028\\u202e\\u2066");
}

TEST(Printable, EscapesBytesThatAreNotUtf8) {
  EXPECT_EQ(Printable("a\xff\x80z"), "a\\xff\\x80z");
  EXPECT_EQ(Printable("\xc3"), "\\xc3");                             // cut short
  EXPECT_EQ(Printable("\xc0\xaf"), "\\xc0\\xaf");                    // overlong
  EXPECT_EQ(Printable("\xe0\x80\xaf"), "\\xe0\\x80\\xaf");           // overlong
  EXPECT_EQ(Printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // surrogate
  EXPECT_EQ(Printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // beyond U+10FFFF
  EXPECT_EQ(Printable("\xf0\x9f\x99"
                      "a"),
            "\\xf0\\x9f\\x99"
            "a");  // broken off
}

TEST(Printable, CutsBetweenCharactersAndSaysSo) {
  EXPECT_EQ(Printable("abc", 3), "abc");
  EXPECT_EQ(Printable("abcd", 3), "abc…");
  EXPECT_EQ(Printable("abä", 3), "ab…");
  EXPECT_EQ(Printable("a🙂", 4), "a…");
  EXPECT_EQ(Printable("a", 0), "…");
}

TEST(Quoted, EscapesWhatWouldEndTheQuotes) {
  EXPECT_EQ(Quoted("say \"hi\" \\"), "\"say \\\"hi\\\" \\\\\"");
}

TEST(Quoted, TellsANewlineFromABackslashAndAnN) {
  EXPECT_EQ(Quoted("\n"), "\"\\n\"");
  EXPECT_EQ(Quoted("\\n"), "\"\\\\n\"");
}

}  // namespace
}  // namespace muster::base
