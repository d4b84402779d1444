"""Pronunciations of common words that CMUdict lacks or has only for a name ("deja"); they take precedence."""

_TABLE = """
    miz        M IH1 Z
    messers    M EH1 S ER0 Z
    ll         AH0 L
    covid      K OW1 V IH0 D
    brexit     B R EH1 K S IH0 T
    bitcoin    B IH1 T K OY2 N
    crypto     K R IH1 P T OW0
    emoji      IH0 M OW1 JH IY0
    selfie     S EH1 L F IY0
    hashtag    HH AE1 SH T AE2 G
    wifi       W AY1 F AY2
    newline    N UW1 L AY2 N
    jpeg       JH EY1 P EH2 G
    gif        G IH1 F
    json       JH EY1 S AA0 N
    fomo       F OW1 M OW0
    bogo       B OW1 G OW0
    yolo       Y OW1 L OW0
    chatgpt    CH AE1 T JH IY2 P IY2 T IY1
    openai     OW1 P AH0 N EY2 AY1
    metadata   M EH1 T AH0 D EY2 T AH0
    haha       HH AA1 HH AA2
    hahaha     HH AA1 HH AA2 HH AA1
    brrr       B ER1
    pssst      P S T
    grr        G ER1
    argh       AA1 R
    yikes      Y AY1 K S
    rofl       R AA1 F AH0 L
    kilohertz  K IH1 L AH0 HH ER2 T S
    gigahertz  G IH1 G AH0 HH ER2 T S
    terahertz  T EH1 R AH0 HH ER2 T S
    gigabit    G IH1 G AH0 B IH2 T
    gigabits   G IH1 G AH0 B IH2 T S
    petabyte   P EH1 T AH0 B AY2 T
    petabytes  P EH1 T AH0 B AY2 T S
    mebibyte   M EH1 B IH0 B AY2 T
    mebibytes  M EH1 B IH0 B AY2 T S
    gibibyte   G IH1 B IH0 B AY2 T
    gibibytes  G IH1 B IH0 B AY2 T S
    microliter    M AY1 K R OW0 L IY2 T ER0
    microliters   M AY1 K R OW0 L IY2 T ER0 Z
    centiliter    S EH1 N T AH0 L IY2 T ER0
    centiliters   S EH1 N T AH0 L IY2 T ER0 Z
    deciliter     D EH1 S AH0 L IY2 T ER0
    deciliters    D EH1 S AH0 L IY2 T ER0 Z
    litre      L IY1 T ER0
    litres     L IY1 T ER0 Z
    kilometre  K AH0 L AA1 M AH0 T ER0
    kilometres K AH0 L AA1 M AH0 T ER0 Z
    centimetre  S EH1 N T AH0 M IY2 T ER0
    centimetres S EH1 N T AH0 M IY2 T ER0 Z
    millimetre  M IH1 L AH0 M IY2 T ER0
    millimetres M IH1 L AH0 M IY2 T ER0 Z
    milliamp   M IH1 L IY0 AE2 M P
    milliamps  M IH1 L IY0 AE2 M P S
    millivolt  M IH1 L AH0 V OW2 L T
    millivolts M IH1 L AH0 V OW2 L T S
    kilovolt   K IH1 L AH0 V OW2 L T
    kilovolts  K IH1 L AH0 V OW2 L T S
    kilohm     K IH1 L OW2 M
    kilohms    K IH1 L OW2 M Z
    megohm     M EH1 G OW2 M
    megohms    M EH1 G OW2 M Z
    kilojoule  K IH1 L AH0 JH UW2 L
    kilojoules K IH1 L AH0 JH UW2 L Z
    megajoule  M EH1 G AH0 JH UW2 L
    megajoules M EH1 G AH0 JH UW2 L Z
    kilonewton  K IH1 L AH0 N UW2 T AH0 N
    kilonewtons K IH1 L AH0 N UW2 T AH0 N Z
    hectopascal  HH EH1 K T OW0 P AE2 S K AH0 L
    hectopascals HH EH1 K T OW0 P AE2 S K AH0 L Z
    kilopascal   K IH1 L AH0 P AE2 S K AH0 L
    kilopascals  K IH1 L AH0 P AE2 S K AH0 L Z
    megapascal   M EH1 G AH0 P AE2 S K AH0 L
    megapascals  M EH1 G AH0 P AE2 S K AH0 L Z
    millimole  M IH1 L AH0 M OW2 L
    millimoles M IH1 L AH0 M OW2 L Z
    amperes    AE1 M P IH2 R Z
    joules     JH UW1 L Z
    newtons    N UW1 T AH0 N Z
    hectares   HH EH1 K T EH2 R Z
    hryvnia    HH R IH1 V N IY0 AH0
    hryvnias   HH R IH1 V N IY0 AH0 Z
    zloty      Z L AO1 T IY0
    groszy     G R AO1 SH IH0
    grosz      G R AO1 SH
    koruna     K AO1 R UW0 N AH0
    forint     F AO1 R IH2 N T
    forints    F AO1 R IH2 N T S
    reais      R EY0 AY1 S
    paisa      P AY1 S AH0
    paise      P AY1 S EY0
    naira      N AY1 R AH0
    kobo       K OW1 B OW0
    tenge      T EH1 NG G EY0
    cedi       S EY1 D IY0
    cedis      S EY1 D IY0 Z
    pesewa     P EH1 S EH0 W AH0
    pesewas    P EH1 S EH0 W AH0 Z
    kurus      K UH0 R UH1 SH
    jeon       CH AH1 N
    kopek      K OW1 P EH2 K
    kopeks     K OW1 P EH2 K S
    agora      AH0 G AO1 R AH0
    agorot     AH0 G AO0 R OW1 T
    tiyn       T IY1 IH0 N
    hao        HH AW1
    centimes   S AA1 N T IY2 M Z
    centavo    S EH0 N T AA1 V OW0
    centavos   S EH0 N T AA1 V OW0 Z
    kroner     K R OW1 N ER0
    kronor     K R OW1 N AO2 R
    ore        AO1 R
    nabla      N AE1 B L AH0
    deja       D EY0 ZH AA1
    uber       UW1 B ER0
    creme      K R EH1 M
    pureed     P Y UH0 R EY1 D
    precis     P R EY0 S IY1
    etat       EY0 T AA1
    d'etat     D EY0 T AA1
    d'etre     D EH1 T R AH0
    raison     R EY0 Z OW1 N
    elan       EY0 L AA1 N
    debutante  D EH1 B Y UW0 T AA2 N T
    doppelganger  D AA1 P AH0 L G AE2 NG ER0
    docx       D AA1 K EH2 K S
    oauth      OW1 AO2 TH
    oled       OW1 L EH2 D
"""
CMUDICT_SUPPLEMENT = {word: " ".join(phonemes) for word, *phonemes in map(str.split, _TABLE.strip().splitlines())}
