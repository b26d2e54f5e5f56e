# cmake -DSOURCE=<checkout> -DOUTPUT=<header> -P write_commit.cmake
# Writes the checkout's commit as MUSTER_COMMIT, "" where there is none; touches the header only when it
# changes, so that a build without a new commit compiles nothing.
execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=12 --exclude=*
                OUTPUT_VARIABLE commit ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "#pragma once\n#define MUSTER_COMMIT \"${commit}\"\n" @ONLY)
