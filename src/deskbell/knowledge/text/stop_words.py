"""Stop words by language: articles, pronouns, prepositions, conjunctions, auxiliaries. The language of a text is detected by them too."""

from __future__ import annotations

_LISTS = {
    "en": """a about above after again all also am an and any are aren't as at be because been before being below between both but by
        can can't could couldn't did didn't do does doesn't doing don't down during each few for from further had has have having he
        he's her here hers him his how i i'm if in into is isn't it it's its itself just may me might more most must my no nor not of off
        on once only or other our out over own same shall she should so some such than that that's the their them then there these
        they this those through to too under until up very was wasn't we were what what's when where which while who whom whose why will
        with won't would you your yours""",
    "de": """aber als am an auch auf aus bei beim bin bis bist da damit dann das dass dein deine dem den der des die dies diese dieser
        dieses doch dort du durch ein eine einem einen einer eines er es euch euer für hat hatte hatten habe haben hier hin ich ihm ihn
        ihnen ihr ihre im in ist ja jede jeder jedes kann kein keine können man mein meine mich mir mit muss nach nicht noch nun nur ob
        oder ohne sehr sein seine sich sie sind so soll über um und uns unser unter vom von vor war waren was welche welcher welches
        wem wen wenn wer werde werden wie wieder wir wird wo wurde wurden zu zum zur zwischen""",
    "es": """a al algo ante antes aquel aquella así aun cada como con contra cual cuál cuáles cuando cuándo cuánto cuántos de del desde
        donde dónde durante e el él ella ellas ellos en entre era eran es esa ese eso esta está están estas este esto estos fue fueron ha
        había han hasta hay la las le les lo los más me mi mientras muy nada ni no nos nosotros o otra otro para pero poco por porque qué
        que quien quién se sea ser si sí sin sobre son su sus también tanto te tiene tienen todo todos tu tú un una unas uno unos y ya yo""",
    "fr": """à au aux avait avec avoir c ça ce ceci cela ces cet cette ceux chez comme comment d dans de depuis des donc dont du elle elles
        en entre est et étaient était été être eu eux fait furent fut il ils j je l la le les leur leurs lui m ma mais me même mes moi mon n
        ne ni nos notre nous on ont où ou par pas pendant plus pour pourquoi qu quand que quel quelle quelles quels qui quoi s sa sans se
        ses si son sont sous sur t ta te tes toi ton très tu un une vers vos votre vous y""",
    "it": """a agli ai al alla alle allo anche c che chi ci come con contro cosa cui d da dagli dai dal dalla dalle dei degli del della delle
        dello di dove due e è ed era erano essere fra gli ha hanno ho i il in io l la le lei li lo loro lui ma mi mio ne nei nel nella
        nelle nello no noi non nostro o per perché più quale quali quando quanti quanto quella quelle quello questa queste questi questo
        se sei si sia sono sta su sua sue sugli sui sul sulla suo tra tu tutti tutto un una uno voi""",
    "pt": """a à ao aos aquela aquele as às até com como cada da das de dela dele do dos durante e é ela elas ele eles em entre era eram essa
        esse esta está este eu foi foram há isso isto já lhe mais mas me mesmo meu minha muito na nas nem no nos nós não num numa o onde os
        ou para pela pelas pelo pelos por porque qual quais quando quanto que quem são se sem ser seu seus só sobre sua suas também te tem
        um uma umas uns você vocês""",
    "nl": """aan al alle als bij dan dat de der deze die dit doch door dus een en er ge had hadden heb hebben heeft het hier hij hoe hoeveel
        hun ik in is ja je jij jullie kan kon kunnen maar me meer men met mij mijn moet na naar niet nog nu of om omdat ons onze ook op
        over te tegen toch toen tot u uit uw van veel voor waar waarom wanneer waren was wat we welke werd wie wij wil worden zal ze zelf
        zich zij zijn zo zonder zou""",
    "sv": """alla allt att av blev bli blir då de dem den denna deras dess det detta dig din du efter ej eller en er ett för från ha hade han
        hans har henne hon honom hur i inte jag kan kunde man med mellan men mig min mycket när ni nu och om oss på så sig sin ska som till
        under upp ut vad var vara varför vem vi vid vilka vilken är än åt över""",
    "da": """af alle alt at blev blive bliver da de dem den denne der deres det dette dig din du efter eller en er et for fra få ham han hans
        har have havde hende hun hvad hvem hver hvilken hvis hvor hvordan hvornår i ikke ind jeg kan man med meget men mig min mod når og
        også om op os over på sig sin skal som så til ud under var ved vi vil være""",
    "no": """alle alt at av ble bli blir da de dem den denne der deres det dette deg din du eller en er et etter for fra få ham han hans har
        hadde henne hun hva hvem hver hvilken hvis hvor hvordan hvorfor i ikke inn jeg kan man med meg men mer min mot når nå og også om opp
        oss over på seg sin skal skulle som så til ut under var ved vi vil være""",
    "fi": """ei eivät että ehkä en entä ennen he hän häntä hänen ja jo joka jos josta jota jotka kanssa keitä ken kenen kuin kuinka kuka kun
        kyllä me mikä miksi milloin minä missä mitä mutta myös näitä ne niin niitä nyt ole olen oli olivat olla on ovat se sekä sen siitä
        sinä sitä tai tämä tämän te tuo vaan vai vain voi""",
    "pl": """a albo ale bo by być był była było były ci co czy dla do gdy gdzie go i ich ile ja jak jaka jaki jakie jako je jego jej jest jeszcze
        już każdy kiedy kto która które który którzy lub ma mi między mnie może można my na nad nie nim niż o od on ona oni ono oraz po pod
        przed przez przy są się ta tak także tam te tego tej ten to tu tych tylko tym w we więc wszystko z za ze że""",
    "cs": """a aby ale ani asi až by byl byla bylo byly co či do ho i já jak jaké jaký je jeho jej její jejich jen ještě jež již jsem jsme jsou
        k kam kde kdo kdy když která které který ma má mezi mi mít může my na nad ne nebo než o od on ona oni po pod podle pro proč protože
        před při s se si tak také tam ten to tu ty už v ve však z za ze že""",
    "ro": """a acea această acest acesta ai al ale am ar are aş așa asta au ca că câte ce cea cel cele cine care când cum cu da dacă de deci
        din dintre după e ea ei el ele era este eu fi fie fost iar îi îl în între la le lor lui mai mult ne ni nici noi nu o pe pentru prin
        sa să sale sau se și ş și sunt te tu un una unde unei unor unui voi""",
    "hu": """a az ahogy aki akkor ami amely amelyek által ban ben csak de egy egyik el ez ezek ezt és fel hanem hány hogy hogyan hol honnan
        igen is itt jól ki kik le lehet lenne lesz lett ma már meg még mely melyik mert mi miért mikor minden mit mint nagyon ne nem nincs
        ő ők össze ott pedig s se sem sok szerint ta után vagy van vannak volt voltak""",
    "tr": """acaba ama ancak arasında artık aslında az bana bazı belki ben beni benim bir biri biz bu bunu bunun çok çünkü da daha de defa değil
        diye eğer en gibi göre hangi hangisi hem hep hepsi her hiç için ile ise kadar kaç kendi ki kim kime kimin mi mı mu mü nasıl ne neden
        nedir nerede nereye niçin niye o olan olarak oldu olduğu olduğunu ona onlar onu onun sanki sen siz şey şu tüm var ve veya ya yani yok""",
    "id": """ada adalah agar akan aku anda antara apa apakah atau bagaimana bagi bahwa banyak berapa bila bisa boleh dalam dan dapat dari dengan
        di dia hanya harus hingga ini itu juga kami kamu kapan karena ke kepada kita lebih maka mana masih mengapa mereka namun oleh pada
        para pernah saat saja sangat saya sebagai sebuah secara sedang sejak seperti serta siapa suatu sudah tanpa telah tentang tersebut
        tetapi tidak untuk yang""",
    "ru": """а без более бы был была были было быть в вам вас ведь во вот все всего всех вы где да даже для до его ее если есть еще же за и из
        или им их к как какая какие какой каком какую ко когда кого котором которая которого которой которые который кто ли лишь между меня
        мне может можно мы на над надо не нее нет ни них но ну о об он она они оно от перед по под при про с свою себя сейчас сколько со так
        также такой там тем то того тоже той только том тот ты у уже чего чем через что чтобы чья эта эти этих это этого этой этом этот я""",
    "uk": """а або але без би був була були було бути в вам вас ви від він вона вони воно все всі де для до є ж за з зі і із й його її їх як яка
        яке який які якщо коли ми може на над наш не немає ні ну о один під по при про саме свою себе скільки та так також там те ти тим то
        того той тому тільки у це цей ці цього чи через чому що щоб я""",
    "el": """αλλά αν από για δεν είναι είχε ένα έναν ένας εμείς εσείς ή ήταν η θα και κάθε κατά με μας μετά μη μια μία μου να ο οι όλα όταν ότι
        ου πιο ποια ποιο ποιος πολύ πόσο πότε που πού πριν προς πως πώς σαν σας σε στα στη στην στις στο στον στους τα τι της την τις το τον
        του τους των χωρίς ως""",
    "ar": """أن إن أو أي إذا إلى ألا أما أنا أنت أنه إنه أين التي الذي الذين اللذين به بها بين بعد بعض بل تحت تلك تم ثم حتى حول حيث حين خلال دون
        ذلك عن عند عندما على عليه عليها غير فإن في فيه فيها فقط قبل قد كان كانت كل كم كما كيف لا لأن لدى لذلك لكن لم لماذا لن له لها لو ليس ما
        ماذا مثل مع من منذ منه منها متى نحن هذا هذه هل هم هن هنا هناك هو هي و وقد وكان وكانت ولا ولم وما ومن وهو وهي يا يكون""",
    "fa": """آن آنها از است اگر اما او ای این با باید برای بر به بود بودن بی تا چرا چه چگونه چند چون خود در دارد را شد شده شود کجا که کدام کرد کند
        کنند کنید کی ما من می نه نیز نیست ها های هر هم همه و ولی وی یا یک""",
    "hi": """अपना अपने आदि आप इस इसका इसके इसमें उन उनका उनके उस उसका उसके एक और कब कर करना करने कहा कहाँ का कि किया किस किसी की कुछ के को कोई
        कौन क्या क्यों गया जब जहाँ जा जो तक तथा तब तो था थी थे द्वारा न नहीं ने पर बहुत भी मैं में यदि यह यहाँ या ये लिए वह वाला वाले वे सकता
        साथ से हम ही हुआ हुई हुए है हैं हो होता""",
}  # fmt: skip

# Stop words of other languages that are common English words too, as in "12 dollars per square foot". They are no evidence against English.
_SHARED = """alt bin ca care co come comment den die door due era go hit man men met min mint non op pa per plus pro sale sea ser sin
    son ten van via war"""

STOP_WORDS = {language: frozenset(words.split()) for language, words in _LISTS.items()}
ENGLISH_TOO = frozenset(_SHARED.split())
