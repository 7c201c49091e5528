/* SPDX-License-Identifier: GPL-3.0-or-later */
/* payload_undef.h: ends one use of payload.def; meant to be included again and again */
#undef STRUCT
#undef END
#undef U8
#undef U16
#undef U32
#undef I32
#undef U64
#undef I64
#undef F64
#undef U32S
#undef TEXT
#undef OF
#undef OFS
#undef PAD
