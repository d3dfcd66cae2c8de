# SPDX-License-Identifier: MIT
# HAKMEM_CFLAG(VARIABLE, FLAG): append FLAG to VARIABLE when the C compiler takes it.
AC_DEFUN([HAKMEM_CFLAG], [
  AS_VAR_PUSHDEF([cache], [hakmem_cv_cflag_$2])
  AC_CACHE_CHECK([whether $CC takes $2], [cache], [
    hakmem_saved=$CFLAGS
    CFLAGS="$CFLAGS -Werror $2"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
      [AS_VAR_SET([cache], [yes])], [AS_VAR_SET([cache], [no])])
    CFLAGS=$hakmem_saved])
  AS_VAR_IF([cache], [yes], [AS_VAR_APPEND([$1], [" $2"])])
  AS_VAR_POPDEF([cache])
])

# HAKMEM_LDFLAG(VARIABLE, FLAG): append FLAG to VARIABLE when a shared object can be linked with it.
AC_DEFUN([HAKMEM_LDFLAG], [
  AS_VAR_PUSHDEF([cache], [hakmem_cv_ldflag_$2])
  AC_CACHE_CHECK([whether the linker takes $2], [cache], [
    hakmem_saved=$LDFLAGS
    LDFLAGS="$LDFLAGS -shared -fPIC -Werror $2"
    AC_LINK_IFELSE([AC_LANG_SOURCE([int answer(void); int answer(void) { return 42; }])],
      [AS_VAR_SET([cache], [yes])], [AS_VAR_SET([cache], [no])])
    LDFLAGS=$hakmem_saved])
  AS_VAR_IF([cache], [yes], [AS_VAR_APPEND([$1], [" $2"])])
  AS_VAR_POPDEF([cache])
])

# HAKMEM_PROGRAM_INTERPRETER: set PROGRAM_INTERPRETER to the path of the dynamic loader, as the
# linker writes it into a program; empty when there is none.
AC_DEFUN([HAKMEM_PROGRAM_INTERPRETER], [
  AC_CHECK_TOOL([READELF], [readelf], [:])
  AC_CACHE_CHECK([for the dynamic loader], [hakmem_cv_interpreter], [
    hakmem_cv_interpreter=
    AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])],
      [hakmem_cv_interpreter=`LC_ALL=C $READELF -l conftest$EXEEXT 2>/dev/null |
        sed -n 's/.*program interpreter: \(.*\)@:>@.*/\1/p'`])])
  PROGRAM_INTERPRETER=$hakmem_cv_interpreter
  AC_SUBST([PROGRAM_INTERPRETER])
])
