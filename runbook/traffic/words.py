# ruff: noqa: RUF001 - letters that look like others are the point
"""Words to learn, by language: scripts that join, stack, run from right to left or need two code units."""

WORDS: dict[str, tuple[str, ...]] = {
    "fr-FR": ("naïve", "cœur", "déjà vu", "l’été", "garçon", "où", "Noël"),
    "de-DE": ("Übung", "Straße", "Fußgängerübergänge", "schön", "Rücksicht"),
    "vi-VN": ("tiếng Việt", "phở", "người", "đường", "nghĩa"),
    "tr-TR": ("İstanbul", "ışık", "çiçek", "güneş"),
    "ru-RU": ("слово", "щётка", "объявление", "достопримечательность", "ёж"),
    "uk-UA": ("їжак", "ґанок", "під’їзд", "щастя"),
    "el-GR": ("λέξη", "ψυχή", "ήλιος", "μαθαίνω"),
    "zh-CN": ("单词", "学习", "记忆", "龘", "𠮷野家", "一石二鸟"),
    "ja-JP": ("単語", "ひらがな", "カタカナ", "ﾊﾝｶｸ", "食べ物", "葛󠄀"),
    "ko-KR": ("단어", "한글", "\u1112\u1161\u11ab", "공부하다"),
    "ar-SA": ("كلمة", "مَدْرَسَة", "السَّلَامُ عَلَيْكُمْ", "قلم"),
    "fa-IR": ("کلمه", "می\N{ZERO WIDTH NON-JOINER}خواهم", "پنجره"),
    "he-IL": ("מילה", "שָׁלוֹם", "לִלְמוֹד"),
    "hi-IN": ("शब्द", "विद्यार्थी", "क्षत्रिय", "स्मृति"),
    "ta-IN": ("சொல்", "கற்றுக்கொள்", "ஸ்ரீ"),
    "th-TH": ("คำศัพท์", "เรียนรู้", "น้ำ"),
    "am-ET": ("ቃል", "መማር"),
    "ka-GE": ("სიტყვა", "სწავლა"),
    # Marks that follow their letter instead of being part of it: equal to the eye, not in bytes.
    "x-combining": ("e\u0301te\u0301", "n\u0303",
                    "Z\u0351\u036b\u0343a\u0331\u0324l\u0323\u034fgo", "o\u0308\u0304"),
    "x-emoji": ("🧠", "👩🏽‍🏫", "🏳️‍🌈", "🇺🇳", "👨‍👩‍👧‍👦", "1️⃣", "𝄞", "🫱🏻‍🫲🏿"),
    "x-awkward": ('quo"te', "back\\slash", "tab\there", "a\u00a0b", "</script>", "${word}",
                  "'; --", "%00", "\u202eabc"),
}  # fmt: skip
LANGUAGES = tuple(WORDS)
